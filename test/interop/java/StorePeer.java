import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.store.AppendMessageResult;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.PutMessageResult;

/**
 * A Java message store under remote control, see Lines. At most one store is open at a time.
 *
 * open {dir, settings}          load and start; answers {loaded, cleanBefore, minOffset, maxOffset}
 * start {dir}                   start without loading: takes the lock before all else, and keeps it until the process ends
 * put {steps}                   each step a message, or {batch: common, items: […]}; answers an outcome each
 * flood {messages, from, haltAfterMs}   puts them round and round, each with the key "j<number>", and prints every outcome, until killed or, so long after the first, halted
 * records, queues, pull {pulls}, query {queries}    see Reads
 * close                         shut down; answers {abortLeft}
 * check {dir, settings, queries}   load alone, tell records (in brief), queues and answers, and destroy the directory: give it a copy
 */
public class StorePeer {
  private static DefaultMessageStore store;

  public static void main(String[] args) throws Exception {
    Lines.serve(StorePeer::carryOut);
  }

  private static Object carryOut(JSONObject request) throws Exception {
    switch (request.getString("do")) {
      case "open": return open(request.getString("dir"), request.getJSONObject("settings"));
      case "start": return start(request.getString("dir"));
      case "put": return put(request.getJSONArray("steps"));
      case "flood": return flood(request.getJSONArray("messages"), request.getLongValue("from"), request.getLongValue("haltAfterMs"));
      case "records": return Reads.records(store, Messages::row);
      case "queues": return Reads.queues(store);
      case "pull": return Reads.each(request.getJSONArray("pulls"), store, Reads::pull);
      case "query": return Reads.each(request.getJSONArray("queries"), store, Reads::query);
      case "close": return close();
      case "check": return check(request.getString("dir"), request.getJSONObject("settings"), request.getJSONArray("queries"));
      default: throw new IllegalArgumentException("no such request: " + request.getString("do"));
    }
  }

  private static Object open(String dir, JSONObject settings) throws Exception {
    boolean cleanBefore = !new File(dir, "abort").exists();
    DefaultMessageStore opening = Stores.make(dir, settings);
    boolean loaded = opening.load();
    if (loaded) {
      try {
        opening.start();
      } catch (Throwable e) {
        Stores.abandon(opening);
        throw e;
      }
      store = opening;
      settle();
    } else {
      Stores.abandon(opening);
    }
    return bounds(opening, loaded, cleanBefore);
  }

  private static Map<String, Object> bounds(DefaultMessageStore of, boolean loaded, boolean cleanBefore) {
    Map<String, Object> bounds = new LinkedHashMap<>();
    bounds.put("loaded", loaded);
    bounds.put("cleanBefore", cleanBefore);
    bounds.put("minOffset", of.getCommitLog().getMinOffset());
    bounds.put("maxOffset", of.getCommitLog().getMaxOffset());
    return bounds;
  }

  private static Object start(String dir) throws Exception {
    DefaultMessageStore starting = Stores.make(dir, null);
    try {
      starting.start();
    } catch (Throwable e) {
      Stores.abandon(starting);
      throw e;
    }
    return true;
  }

  /** Waits until queues and index have caught up with the log. */
  private static void settle() throws Exception {
    while (store.dispatchBehindBytes() > 0) Thread.sleep(1);
  }

  private static Object put(JSONArray steps) throws Exception {
    List<Object> outcomes = new ArrayList<>();
    for (int i = 0; i < steps.size(); i++) {
      JSONObject step = steps.getJSONObject(i);
      outcomes.add(outcome(step.containsKey("batch")
          ? store.putMessages(Messages.toPut(step.getJSONObject("batch"), step.getJSONArray("items")))
          : store.putMessage(Messages.toPut(step))));
    }
    settle();
    return outcomes;
  }

  private static Map<String, Object> outcome(PutMessageResult result) {
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put("status", result.getPutMessageStatus().name());
    AppendMessageResult append = result.getAppendMessageResult();
    if (append != null) {
      outcome.put("logOffset", append.getWroteOffset());
      outcome.put("queueOffset", append.getLogicsOffset());
      outcome.put("size", append.getWroteBytes());
      outcome.put("storeTimestamp", append.getStoreTimestamp());
      outcome.put("messageId", append.getMsgId());
    }
    return outcome;
  }

  private static Object flood(JSONArray messages, long from, long haltAfterMs) throws Exception {
    for (long number = from; ; number++) {
      JSONObject message = messages.getJSONObject((int) (number % messages.size()));
      message.put("keys", "j" + number);
      Map<String, Object> outcome = outcome(store.putMessage(Messages.toPut(message)));
      outcome.put("number", number);
      Lines.answer("answer", outcome);
      if (number == from && haltAfterMs > 0) haltLater(haltAfterMs);
    }
  }

  private static void haltLater(long milliseconds) {
    new Thread(() -> {
      try {
        Thread.sleep(milliseconds);
      } catch (InterruptedException e) {
        // then at once
      }
      Runtime.getRuntime().halt(0);
    }).start();
  }

  private static Object close() {
    store.shutdown();
    boolean abortLeft = new File(store.getMessageStoreConfig().getStorePathRootDir(), "abort").exists();
    store = null;
    return Map.of("abortLeft", abortLeft);
  }

  private static Object check(String dir, JSONObject settings, JSONArray queries) throws Exception {
    boolean cleanBefore = !new File(dir, "abort").exists();
    DefaultMessageStore checked = Stores.make(dir, settings);
    Map<String, Object> answer;
    try {
      boolean loaded = checked.load();
      answer = bounds(checked, loaded, cleanBefore);
      if (loaded) {
        answer.put("records", Reads.records(checked, Messages::brief));
        answer.put("queues", Reads.queues(checked));
        answer.put("answers", Reads.each(queries, checked, Reads::query));
      }
    } finally {
      checked.destroy(); // unmaps what hundreds of checks would otherwise keep mapped
      Stores.abandon(checked);
    }
    return answer;
  }
}
