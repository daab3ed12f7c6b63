import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.store.CommitLog;
import org.apache.rocketmq.store.ConsumeQueue;
import org.apache.rocketmq.store.DefaultMessageFilter;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.DispatchRequest;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.MessageFilter;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;

/** What a store answers. Records and queues need it loaded, pulls and queries started. */
class Reads {
  /** Every record of the log in order, found by the store's own scan: the one that recovery and dispatch use. */
  static List<Object> records(DefaultMessageStore store, Decode decode) throws Exception {
    List<Object> rows = new ArrayList<>();
    CommitLog log = store.getCommitLog();
    long segment = store.getMessageStoreConfig().getMappedFileSizeCommitLog();
    long at = Math.max(0, log.getMinOffset());
    while (at < log.getMaxOffset()) {
      SelectMappedBufferResult rest = log.getData(at);
      if (rest == null) throw new IllegalStateException("no data at log offset " + at + " of " + log.getMaxOffset());
      try {
        ByteBuffer bytes = rest.getByteBuffer();
        while (bytes.hasRemaining()) {
          int start = bytes.position();
          DispatchRequest found = log.checkMessageAndReturnSize(bytes, false, false);
          if (!found.isSuccess()) throw new IllegalStateException("no record at log offset " + at + " of " + log.getMaxOffset());
          if (found.getMsgSize() == 0) { // a blank record: the rest of the segment is unused
            at += segment - at % segment;
            break;
          }
          byte[] record = new byte[found.getMsgSize()];
          bytes.position(start);
          bytes.get(record);
          rows.add(decode.of(record));
          at += found.getMsgSize();
        }
      } finally {
        rest.release();
      }
    }
    return rows;
  }

  interface Decode {
    Object of(byte[] record) throws Exception;
  }

  /** Every queue that has files, with its bounds and units: [log offset, size, tag code as text]. */
  static List<Map<String, Object>> queues(DefaultMessageStore store) {
    Map<String, Map<String, Object>> rows = new TreeMap<>();
    for (Map<Integer, ?> ofTopic : store.getConsumeQueueTable().values()) {
      for (Object each : ofTopic.values()) {
        ConsumeQueue queue = (ConsumeQueue) each;
        String topic = queue.getTopic();
        int queueId = queue.getQueueId();
        if (!Files.exists(Paths.get(store.getMessageStoreConfig().getStorePathRootDir(), "consumequeue", topic, "" + queueId))) continue; // only looked up
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("topic", topic);
        row.put("queueId", queueId);
        row.put("minOffset", queue.getMinOffsetInQueue());
        row.put("maxOffset", queue.getMaxOffsetInQueue());
        row.put("units", units(queue));
        rows.put(topic + " " + queueId, row);
      }
    }
    return new ArrayList<>(rows.values());
  }

  private static List<List<Object>> units(ConsumeQueue queue) {
    List<List<Object>> units = new ArrayList<>();
    long at = queue.getMinOffsetInQueue();
    while (at < queue.getMaxOffsetInQueue()) {
      SelectMappedBufferResult rest = queue.getIndexBuffer(at);
      if (rest == null) throw new IllegalStateException("no unit " + at + " in " + queue.getTopic() + " " + queue.getQueueId());
      for (ByteBuffer bytes = rest.getByteBuffer(); bytes.hasRemaining(); at++) {
        units.add(List.of(bytes.getLong(), bytes.getInt(), Long.toString(bytes.getLong())));
      }
      rest.release();
    }
    return units;
  }

  static Map<String, Object> pull(DefaultMessageStore store, JSONObject pull) throws Exception {
    String topic = pull.getString("topic");
    String tags = pull.getString("tags");
    GetMessageResult result = store.getMessage("peer", topic, pull.getIntValue("queueId"), pull.getLongValue("offset"),
        pull.getIntValue("maxMessages"), tags == null ? null : tagFilter(topic, tags));
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("status", result.getStatus().name());
    row.put("nextOffset", result.getNextBeginOffset());
    row.put("minOffset", result.getMinOffset());
    row.put("maxOffset", result.getMaxOffset());
    row.put("logOffsets", logOffsets(result.getMessageBufferList()));
    result.release();
    return row;
  }

  static List<Long> query(DefaultMessageStore store, JSONObject query) throws Exception {
    QueryMessageResult result = store.queryMessage(query.getString("topic"), query.getString("key"), query.getIntValue("maxMessages"),
        query.getLongValue("begin"), query.getLongValue("end"));
    List<Long> offsets = logOffsets(result.getMessageBufferList());
    result.release();
    return offsets;
  }

  static List<Object> each(JSONArray requests, DefaultMessageStore store, Read read) throws Exception {
    List<Object> answers = new ArrayList<>();
    for (int i = 0; i < requests.size(); i++) answers.add(read.of(store, requests.getJSONObject(i)));
    return answers;
  }

  interface Read {
    Object of(DefaultMessageStore store, JSONObject request) throws Exception;
  }

  private static List<Long> logOffsets(List<ByteBuffer> records) {
    List<Long> offsets = new ArrayList<>();
    for (ByteBuffer record : records) offsets.add(record.getLong(record.position() + 28));
    return offsets;
  }

  /** The broker's filter for a tag expression; what builds it moved between the releases. */
  private static MessageFilter tagFilter(String topic, String tags) throws Exception {
    Class<?> api = Class.forName(Stores.isRelease5() ? "org.apache.rocketmq.remoting.protocol.filter.FilterAPI" : "org.apache.rocketmq.common.filter.FilterAPI");
    Object subscription = api.getMethod("buildSubscriptionData", String.class, String.class).invoke(null, topic, tags);
    Constructor<?> constructor = DefaultMessageFilter.class.getConstructors()[0];
    return (MessageFilter) constructor.newInstance(subscription);
  }
}
