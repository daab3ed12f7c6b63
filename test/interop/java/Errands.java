import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Errands NAMESRV: does with the official Java client what it is told, see Lines; each errand has clients of its own.
 *
 * mqadmin {args}                          answers what the admin tool prints
 * tables {broker}                         answers {topics, groups}: by topic its queues to read, to write, and its perm; by group how often it retries
 * send {topic, messages}                  each {body, queueId?, broker?, delayLevel?}; answers for each status, broker, queueId, queueOffset
 * read {topic, count}                     waits until the topic has so many messages; answers all, as `consume` does
 * consume {group, topic, count}           a consumer takes `count` messages, commits, and shuts down; answers the messages
 * share {group, topic, messages, members} so many consumers share the topic's queues, then the messages are sent; answers {sent, taken}, of each member what it took
 * fail {group, topic, count, delayLevel}  a consumer fails `count` messages, so that they are sent back, commits, and shuts down
 */
public class Errands {
  public static void main(String[] args) throws Exception {
    Lines.serve(request -> {
      try (Stage stage = new Stage(args[0], "errands", request.getString("do"))) {
        return run(stage, args[0], request);
      }
    });
  }

  private static Object run(Stage stage, String namesrv, JSONObject request) throws Exception {
    String topic = request.getString("topic");
    int count = request.getIntValue("count");
    switch (request.getString("do")) {
      case "mqadmin": return mqadmin(request.getJSONArray("args"));
      case "tables": return tables(namesrv, request.getString("broker"));
      case "send": return send(stage, topic, request.getJSONArray("messages"));
      case "read": return read(stage, topic, count);
      case "consume": return consume(stage, request.getString("group"), topic, count);
      case "share": return share(stage, request.getString("group"), topic, request.getJSONArray("messages"), request.getIntValue("members"));
      case "fail": return fail(stage, request.getString("group"), topic, count, request.getIntValue("delayLevel"));
      default: throw new IllegalArgumentException("no such errand: " + request.getString("do"));
    }
  }

  private static String mqadmin(JSONArray args) {
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      MQAdminStartup.main0(args.toArray(new String[0]), null);
    } finally {
      System.setOut(before);
    }
    return printed.toString(StandardCharsets.UTF_8);
  }

  private static Object tables(String namesrv, String broker) throws Exception {
    DefaultMQAdminExt admin = new DefaultMQAdminExt();
    admin.setNamesrvAddr(namesrv);
    admin.start();
    try {
      Map<String, Object> topics = new TreeMap<>();
      admin.getAllTopicConfig(broker, 10_000).getTopicConfigTable().forEach((name, topic) ->
        topics.put(name, List.of(topic.getReadQueueNums(), topic.getWriteQueueNums(), topic.getPerm())));
      Map<String, Object> groups = new TreeMap<>();
      admin.getAllSubscriptionGroup(broker, 10_000).getSubscriptionGroupTable().forEach((name, group) -> groups.put(name, group.getRetryMaxTimes()));
      return Map.of("topics", topics, "groups", groups);
    } finally {
      admin.shutdown();
    }
  }

  private static Object send(Stage stage, String topic, JSONArray messages) throws Exception {
    DefaultMQProducer producer = stage.producer();
    producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
    List<MessageQueue> queues = stage.queues(topic);
    List<Object> answers = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      JSONObject json = messages.getJSONObject(i);
      Message message = Stage.message(topic, "tag", null, json.getString("body"));
      message.setDelayTimeLevel(json.getIntValue("delayLevel"));
      SendResult result = json.containsKey("queueId") ? producer.send(message, queueOf(queues, json)) : producer.send(message);
      Map<String, Object> answer = place(result.getMessageQueue().getBrokerName(), result.getMessageQueue().getQueueId(), result.getQueueOffset());
      answer.put("status", result.getSendStatus().name());
      answers.add(answer);
    }
    return answers;
  }

  private static MessageQueue queueOf(List<MessageQueue> queues, JSONObject json) {
    return queues.stream().filter(queue -> queue.getQueueId() == json.getIntValue("queueId"))
      .filter(queue -> !json.containsKey("broker") || queue.getBrokerName().equals(json.getString("broker"))).findFirst().orElseThrow();
  }

  private static Object read(Stage stage, String topic, int count) throws Exception {
    Stage.awaitEqual("the number of messages in " + topic, (long) count, () -> stage.count(topic));
    return stage.read(topic).stream().map(Errands::row).toList();
  }

  /** An orderly listener takes no more than it should: the rest of each queue waits, neither consumed nor sent back. */
  private static Object consume(Stage stage, String group, String topic, int count) throws Exception {
    Taken taken = new Taken();
    DefaultMQPushConsumer consumer = consumerOf(group, topic);
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      synchronized (taken) { // nobody takes one between the question and the answer
        if (taken.rows().size() == count) return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
        taken.add(messages.get(0), context.getMessageQueue());
        return ConsumeOrderlyStatus.SUCCESS;
      }
    });
    stage.start(consumer);
    Stage.awaitEqual("the number of messages for " + group, count, () -> taken.rows().size());
    leave(stage, consumer, taken);
    return taken.rows();
  }

  private static Object share(Stage stage, String group, String topic, JSONArray messages, int members) throws Exception {
    Map<DefaultMQPushConsumer, Taken> all = new LinkedHashMap<>();
    int queues = stage.queues(topic).size();
    while (all.size() < members) {
      Taken taken = new Taken();
      DefaultMQPushConsumer consumer = consumerOf(group, topic);
      consumer.registerMessageListener((MessageListenerConcurrently) (given, context) -> {
        taken.add(given.get(0), context.getMessageQueue());
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
      });
      all.put(stage.start(consumer), taken);
    }
    Stage.await("a fair share of the queues of " + topic, () -> {
      List<Integer> shares = all.keySet().stream().map(consumer -> Stage.queuesOf(consumer, topic).size()).toList();
      return shares.stream().mapToInt(share -> share).sum() == queues && shares.stream().allMatch(share -> share >= queues / members);
    });
    Object sent = send(stage, topic, messages);
    Stage.awaitEqual("the number of messages for " + group, messages.size(), () -> all.values().stream().mapToInt(taken -> taken.rows().size()).sum());
    for (DefaultMQPushConsumer consumer : all.keySet()) leave(stage, consumer, all.get(consumer));
    return Map.of("sent", sent, "taken", all.values().stream().map(Taken::rows).toList());
  }

  private static Object fail(Stage stage, String group, String topic, int count, int delayLevel) throws Exception {
    Taken taken = new Taken();
    DefaultMQPushConsumer consumer = consumerOf(group, topic);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      context.setDelayLevelWhenNextConsume(delayLevel);
      taken.add(messages.get(0), context.getMessageQueue());
      return ConsumeConcurrentlyStatus.RECONSUME_LATER;
    });
    stage.start(consumer);
    Stage.awaitEqual("the number of messages for " + group, count, () -> taken.rows().size());
    leave(stage, consumer, taken);
    return true;
  }

  private static DefaultMQPushConsumer consumerOf(String group, String topic) throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    consumer.subscribe(topic, "*");
    return consumer;
  }

  /** Shuts a consumer down when it knows how far it came, and waits until the broker keeps that. */
  private static void leave(Stage stage, DefaultMQPushConsumer consumer, Taken taken) throws Exception {
    Map<MessageQueue, Long> offsets = taken.offsets();
    for (MessageQueue queue : offsets.keySet()) {
      Stage.awaitEqual("the offset in " + queue, offsets.get(queue), () -> consumer.getOffsetStore().readOffset(queue, ReadOffsetType.READ_FROM_MEMORY));
    }
    // Going, it says so once, by requests that nobody answers, on a connection that it closes next: on a busy machine one was lost.
    consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
    consumer.shutdown();
    DefaultMQPullConsumer asking = stage.start(new DefaultMQPullConsumer(consumer.getConsumerGroup()));
    for (MessageQueue queue : offsets.keySet()) {
      Stage.awaitEqual("the offset that is kept of " + queue, offsets.get(queue), () -> asking.fetchConsumeOffset(queue, true));
    }
    asking.shutdown();
  }

  /** What a consumer took: each message as it was then, and the offset behind the last one of each queue. */
  private static class Taken {
    private final List<Map<String, Object>> rows = new ArrayList<>();
    private final Map<MessageQueue, Long> offsets = new LinkedHashMap<>();

    synchronized void add(MessageExt message, MessageQueue queue) {
      rows.add(row(message));
      offsets.merge(queue, message.getQueueOffset() + 1, Math::max);
    }

    synchronized List<Map<String, Object>> rows() {
      return new ArrayList<>(rows);
    }

    synchronized Map<MessageQueue, Long> offsets() {
      return new LinkedHashMap<>(offsets);
    }
  }

  private static Map<String, Object> row(MessageExt message) {
    Map<String, Object> row = place(message.getBrokerName(), message.getQueueId(), message.getQueueOffset());
    row.put("text", Stage.text(message));
    row.put("storeTimestamp", message.getStoreTimestamp());
    row.put("reconsumeTimes", message.getReconsumeTimes());
    return row;
  }

  private static Map<String, Object> place(String broker, int queueId, long queueOffset) {
    Map<String, Object> place = new LinkedHashMap<>();
    place.put("broker", broker);
    place.put("queueId", queueId);
    place.put("queueOffset", queueOffset);
    return place;
  }
}
