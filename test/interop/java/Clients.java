import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * Clients NAMESRV PREFIX SCENARIO …: plays scenarios with the official Java client, all at the same time, each on topics and in groups whose
 * names begin with PREFIX and its own. Prints a line of JSON about the client and one for each scenario: {"scenario": name, …facts}, or
 * {"scenario": name, "failed": where and why}; then the exit code is 1.
 */
public class Clients {
  interface Scenario {
    void play(Stage stage) throws Exception;
  }

  private static final Map<String, Scenario> SCENARIOS = Map.ofEntries(
    Map.entry("send", Sending::send),
    Map.entry("batch", Sending::batch),
    Map.entry("select", Sending::select),
    Map.entry("bodies", Sending::bodies),
    Map.entry("unicode", Sending::unicode),
    Map.entry("delay", Sending::delay),
    Map.entry("namespace", Sending::namespace),
    Map.entry("tags", Pushing::tags),
    Map.entry("broadcast", Pushing::broadcast),
    Map.entry("restart", Pushing::restart),
    Map.entry("from", Pushing::from),
    Map.entry("retry", Retrying::retry),
    Map.entry("orderly-dead", Retrying::orderlyDead),
    Map.entry("share", Sharing::share),
    Map.entry("takeover", Sharing::takeover),
    Map.entry("hang", Sharing::hang),
    Map.entry("orderly", Sharing::orderly),
    Map.entry("pull", Pulling::pull),
    Map.entry("assign", Pulling::assign),
    Map.entry("subscribe", Pulling::subscribe),
    Map.entry("query", Asking::query),
    Map.entry("bounds", Asking::bounds)
  );

  public static void main(String[] args) throws Exception {
    String namesrv = args[0];
    print(Map.of("version", MQVersion.getVersionDesc(MQVersion.CURRENT_VERSION), "header", RemotingCommand.getSerializeTypeConfigInThisServer().name()));
    try (Stage stage = new Stage(namesrv, args[1], "begin")) {
      stage.awaitRoute("TBW102"); // the name server hears of a broker a moment after it listens
    }
    AtomicBoolean failed = new AtomicBoolean();
    List<Thread> threads = new ArrayList<>();
    for (String name : List.of(args).subList(2, args.length)) {
      Thread thread = new Thread(() -> {
        if (!play(namesrv, args[1], name)) failed.set(true);
      }, name);
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) thread.join();
    System.exit(failed.get() ? 1 : 0); // the client's threads would keep the process
  }

  private static boolean play(String namesrv, String prefix, String name) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("scenario", name);
    try (Stage stage = new Stage(namesrv, prefix, name)) {
      try {
        SCENARIOS.get(name).play(stage);
        line.putAll(stage.facts);
      } catch (Throwable e) {
        StringWriter trace = new StringWriter();
        e.printStackTrace(new PrintWriter(trace));
        line.put("failed", trace.toString());
      }
      print(line); // before the clients end: a failed one may not
    }
    return !line.containsKey("failed");
  }

  static synchronized void print(Map<String, ?> line) {
    System.out.println(JSON.toJSONString(line, SerializerFeature.DisableCircularReferenceDetect, SerializerFeature.WriteMapNullValue));
  }
}
