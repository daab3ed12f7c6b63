import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Load NAMESRV: a load that goes on whatever becomes of the broker, see Lines. A thread for each queue of a topic sends messages that it numbers, each once;
 * a group with an orderly listener and one with a concurrent listener consume them.
 * A consumer that waits for messages at a broker that dies hears of it half a minute later: the orderly one stays and does, the other is replaced.
 *
 * start {topic, queues}   answers when all are at work
 * replace                 another consumer in place of the concurrent one
 * progress                answers {acknowledged, failed, orderly, concurrent}: how many so far
 * finish                  sends no more, waits until the groups have what was acknowledged, or for a minute; answers {acknowledged, orderly, concurrent}:
 *                         by queue, [number, queue offset] of each, in the order in which it was acknowledged, or first delivered
 */
public class Load {
  private static final long PATIENCE_NANOS = 60_000_000_000L;
  private static final List<Thread> senders = new ArrayList<>();
  private static final Notes acknowledged = new Notes();
  private static final Notes failed = new Notes();
  private static final Map<String, Notes> groups = Map.of("orderly", new Notes(), "concurrent", new Notes());
  private static volatile boolean sending = true;
  private static String topic;
  private static DefaultMQPushConsumer concurrent;

  public static void main(String[] args) throws Exception {
    Stage stage = new Stage(args[0], "load", "kills");
    Lines.serve(request -> switch (request.getString("do")) {
      case "start" -> start(stage, request);
      case "replace" -> replace(stage);
      case "progress" -> progress();
      case "finish" -> finish(stage);
      default -> throw new IllegalArgumentException("no such request: " + request.getString("do"));
    });
  }

  private static Object start(Stage stage, JSONObject request) throws Exception {
    topic = request.getString("topic");
    stage.makeTopic(topic, request.getIntValue("queues"));
    List<MessageQueue> queues = stage.queues(topic);
    DefaultMQPushConsumer orderly = consumer(stage, "orderly");
    orderly.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      note("orderly", messages);
      return ConsumeOrderlyStatus.SUCCESS;
    });
    stage.start(orderly);
    concurrent = concurrent(stage);
    for (DefaultMQPushConsumer consumer : List.of(orderly, concurrent)) {
      Stage.await("the queues", () -> Stage.queuesOf(consumer, topic).size() == queues.size());
    }
    DefaultMQProducer producer = stage.producer();
    producer.setSendMsgTimeout(1000); // of sends that were under way, the client does not hear that the broker died
    for (MessageQueue queue : queues) senders.add(new Thread(() -> send(producer, queue)));
    for (Thread sender : senders) sender.start();
    return true;
  }

  private static Object replace(Stage stage) throws Exception {
    concurrent.shutdown();
    concurrent = concurrent(stage);
    return true;
  }

  private static DefaultMQPushConsumer concurrent(Stage stage) throws Exception {
    DefaultMQPushConsumer consumer = consumer(stage, "concurrent");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      note("concurrent", messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    return stage.start(consumer);
  }

  /** One that is with the broker again soon after it is back. */
  private static DefaultMQPushConsumer consumer(Stage stage, String group) throws Exception {
    DefaultMQPushConsumer consumer = stage.consumer(group);
    consumer.subscribe(topic, "*");
    consumer.setHeartbeatBrokerInterval(500);
    consumer.setPersistConsumerOffsetInterval(500);
    consumer.getDefaultMQPushConsumerImpl().setPullTimeDelayMillsWhenException(200);
    return consumer;
  }

  private static void note(String group, List<MessageExt> messages) {
    for (MessageExt message : messages) groups.get(group).add(message.getQueueId(), Long.parseLong(Stage.text(message).strip()), message.getQueueOffset());
  }

  /** The client does not try again by itself when it is told the queue. */
  private static void send(DefaultMQProducer producer, MessageQueue queue) {
    for (long number = 0; sending; number++) {
      try {
        Message message = Stage.message(queue.getTopic(), null, null, number + " ".repeat((int) (number % 10) * 100));
        SendResult result = producer.send(message, queue);
        if (result.getSendStatus() == SendStatus.SEND_OK) acknowledged.add(queue.getQueueId(), number, result.getQueueOffset());
        else failed.add(queue.getQueueId(), number, number);
      } catch (Exception e) {
        failed.add(queue.getQueueId(), number, number);
        pause();
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(20);
    } catch (InterruptedException e) {
      // then on at once
    }
  }

  private static Object progress() {
    return Map.of(
      "acknowledged", acknowledged.size(), "failed", failed.size(),
      "orderly", groups.get("orderly").size(), "concurrent", groups.get("concurrent").size());
  }

  private static Object finish(Stage stage) throws Exception {
    sending = false;
    for (Thread sender : senders) sender.join();
    long end = System.nanoTime() + PATIENCE_NANOS;
    Map<String, List<List<Long>>> wanted = acknowledged.rows();
    while (System.nanoTime() < end && !groups.values().stream().allMatch(group -> group.hasAllOf(wanted))) pause();
    stage.close();
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("acknowledged", wanted);
    groups.forEach((group, notes) -> answer.put(group, notes.rows()));
    return answer;
  }

  /** By queue, which numbers are at which offsets; what is noted again is not noted. */
  private static class Notes {
    private final Map<String, Map<List<Long>, Boolean>> queues = new TreeMap<>();
    private int size;

    synchronized void add(int queue, long number, long offset) {
      if (queues.computeIfAbsent(String.valueOf(queue), id -> new LinkedHashMap<>()).putIfAbsent(List.of(number, offset), true) == null) size++;
    }

    synchronized int size() {
      return size;
    }

    synchronized Map<String, List<List<Long>>> rows() {
      Map<String, List<List<Long>>> rows = new TreeMap<>();
      queues.forEach((queue, noted) -> rows.put(queue, new ArrayList<>(noted.keySet())));
      return rows;
    }

    synchronized boolean hasAllOf(Map<String, List<List<Long>>> wanted) {
      return wanted.entrySet().stream().allMatch(entry -> queues.containsKey(entry.getKey()) && queues.get(entry.getKey()).keySet().containsAll(entry.getValue()));
    }
  }
}
