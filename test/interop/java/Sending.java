import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Scenarios of sending: what a producer is answered is what a consumer finds. */
class Sending {
  /** A client of 5.x gives a batch an id as well, and RocketMQ 4.9 each message of the batch that one. */
  private static final boolean SHARES_ID = MQVersion.getVersionDesc(MQVersion.CURRENT_VERSION).startsWith("V5");

  /** All three ways, to a topic that the first message makes. */
  static void send(Stage stage) throws Exception {
    String topic = stage.name("unmade");
    DefaultMQProducer producer = stage.producer();
    Map<String, SendResult> results = new ConcurrentHashMap<>();
    for (int i = 0; i < 20; i++) results.put("sync " + i, producer.send(flagged(topic, "sync " + i)));
    CountDownLatch answers = new CountDownLatch(20);
    Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
    for (int i = 0; i < 20; i++) {
      String body = "async " + i;
      producer.send(flagged(topic, body), new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          results.put(body, result);
          answers.countDown();
        }

        @Override
        public void onException(Throwable e) {
          failures.add(e);
          answers.countDown();
        }
      });
    }
    for (int i = 0; i < 20; i++) producer.sendOneway(flagged(topic, "oneway " + i));
    Stage.check(answers.await(60, TimeUnit.SECONDS), answers.getCount() + " asynchronous sends got no answer");
    for (Throwable failure : failures) throw new IllegalStateException("an asynchronous send failed", failure);
    stage.awaitCount(topic, 60);

    TreeSet<String> bodies = new TreeSet<>();
    for (MessageExt message : stage.read(topic)) {
      String body = Stage.text(message);
      bodies.add(body);
      Stage.equal("flag of " + body, body.length(), message.getFlag());
      Stage.equal("tags of " + body, body.split(" ")[0], message.getTags());
      Stage.equal("keys of " + body, "k" + body.length() + " " + body.split(" ")[1], message.getKeys());
      if (results.containsKey(body)) checkResult(results.get(body), message);
    }
    Stage.equal("how many of the bodies are there", 60, bodies.size());
    stage.note("answered", results.size());
    stage.note("oneway", bodies.stream().filter(body -> body.startsWith("oneway")).count());
    stage.note("queues", stage.queues(topic).size());
  }

  private static Message flagged(String topic, String body) {
    Message message = Stage.message(topic, body.split(" ")[0], "k" + body.length() + " " + body.split(" ")[1], body);
    message.setFlag(body.length());
    return message;
  }

  private static void checkResult(SendResult result, MessageExt message) {
    Stage.equal("status", SendStatus.SEND_OK, result.getSendStatus());
    Stage.equal("queue", new MessageQueue(message.getTopic(), "broker-a", message.getQueueId()), result.getMessageQueue());
    Stage.equal("queue offset", message.getQueueOffset(), result.getQueueOffset());
    Stage.equal("message id", message.getMsgId(), result.getMsgId());
    Stage.equal("offset id", Stage.offsetId(message), result.getOffsetMsgId());
    Stage.equal("region", "DefaultRegion", result.getRegionId());
    Stage.check(result.isTraceOn(), "the broker does not say that traces are on");
  }

  /** Batches, to a queue of the client's choice and to one that is named. */
  static void batch(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    DefaultMQProducer producer = stage.producer();
    SendResult any = producer.send(batchOf(topic, "any"));
    stage.awaitCount(topic, 50);
    checkBatch(stage, any, "any");
    MessageQueue queue = stage.queues(topic).get(1);
    SendResult named = producer.send(batchOf(topic, "named"), queue);
    stage.awaitCount(topic, 100);
    Stage.equal("the queue of the second batch", queue, named.getMessageQueue());
    checkBatch(stage, named, "named");
    stage.note("messages", 100);
  }

  private static List<Message> batchOf(String topic, String what) {
    List<Message> batch = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      Message message = Stage.message(topic, "t" + i, "key" + i, what + " " + i);
      message.putUserProperty("place", String.valueOf(i));
      batch.add(message);
    }
    return batch;
  }

  private static void checkBatch(Stage stage, SendResult result, String what) throws Exception {
    Stage.equal("status", SendStatus.SEND_OK, result.getSendStatus());
    String[] ids = result.getMsgId().split(",");
    String[] offsetIds = result.getOffsetMsgId().split(",");
    Stage.equal("number of ids", 50, ids.length);
    Stage.equal("number of offset ids", 50, offsetIds.length);
    List<MessageExt> messages = stage.read(result.getMessageQueue().getTopic());
    messages.removeIf(message -> !Stage.text(message).startsWith(what + " "));
    Stage.equal("messages of the batch", 50, messages.size());
    for (int i = 0; i < 50; i++) {
      MessageExt message = messages.get(i);
      Stage.equal("body", what + " " + i, Stage.text(message));
      Stage.equal("queue", result.getMessageQueue().getQueueId(), message.getQueueId());
      Stage.equal("queue offset", result.getQueueOffset() + i, message.getQueueOffset());
      Stage.check(message.getMsgId().equals(ids[i]) || SHARES_ID, "message " + i + " of the batch has the id " + message.getMsgId() + ", not " + ids[i]);
      Stage.equal("offset id", offsetIds[i], Stage.offsetId(message));
      Stage.equal("tags, keys and property", List.of("t" + i, "key" + i, "" + i), List.of(message.getTags(), message.getKeys(), message.getUserProperty("place")));
    }
  }

  /** A queue by a selector of the client's, by one's own, and by name. */
  static void select(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 4);
    DefaultMQProducer producer = stage.producer();
    Map<String, Integer> chosen = new LinkedHashMap<>();
    for (int i = 0; i < 20; i++) {
      String order = "order " + i;
      int byHash = producer.send(Stage.message(topic, null, null, order), new SelectMessageQueueByHash(), order).getMessageQueue().getQueueId();
      Stage.equal("queue of " + order, Math.abs(order.hashCode() % 4), byHash);
      chosen.put(order, byHash);
      int own = producer.send(Stage.message(topic, null, null, "own " + i), (queues, message, arg) -> queues.get((int) arg % queues.size()), i).getMessageQueue().getQueueId();
      Stage.equal("queue of own " + i, i % 4, own);
      chosen.put("own " + i, own);
    }
    for (MessageQueue queue : stage.queues(topic)) {
      String body = "queue " + queue.getQueueId();
      Stage.equal("the queue that was named", queue, producer.send(Stage.message(topic, null, null, body), queue).getMessageQueue());
      chosen.put(body, queue.getQueueId());
    }
    stage.awaitCount(topic, chosen.size());
    Map<String, Integer> found = new LinkedHashMap<>();
    for (MessageExt message : stage.read(topic)) found.put(Stage.text(message), message.getQueueId());
    Stage.equal("where the messages are", chosen, found);
    stage.note("messages", found.size());
  }

  /** From one byte to 4 MiB, whole and compressed; what is longer is refused. */
  static void bodies(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 1);
    Map<String, byte[]> bodies = new LinkedHashMap<>();
    Random random = new Random(1);
    for (int length : new int[] {1, 4095, 4096, 1 << 20, 4 << 20}) {
      bodies.put("random-" + length, new byte[length]);
      random.nextBytes(bodies.get("random-" + length));
    }
    bodies.put("text", "a body that is long and says little. ".repeat(6000).getBytes(StandardCharsets.UTF_8));
    DefaultMQProducer producer = stage.producer();
    DefaultMQProducer plain = new DefaultMQProducer(stage.name("plain-producers"));
    plain.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
    plain.setMaxMessageSize(16 << 20); // the broker is to judge
    stage.start(plain);
    for (Map.Entry<String, byte[]> body : bodies.entrySet()) {
      for (DefaultMQProducer by : List.of(producer, plain)) {
        if (body.getValue().length == 4 << 20 && by == producer) continue; // random bytes grow as they are compressed, beyond what is allowed
        by.send(new Message(topic, by == plain ? "plain" : "default", body.getKey(), body.getValue()));
      }
    }
    try {
      plain.send(new Message(topic, new byte[(4 << 20) + 1]));
      throw new IllegalStateException("a body of more than 4 MiB was taken");
    } catch (MQBrokerException e) {
      stage.note("tooLong", e.getResponseCode());
    }

    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    stage.start(consumer);
    inbox.await(2 * bodies.size() - 1);
    for (Inbox.Delivery delivery : inbox.deliveries()) {
      MessageExt message = delivery.message();
      byte[] body = bodies.get(message.getKeys());
      Stage.check(Arrays.equals(body, message.getBody()), message.getKeys() + " has changed");
      boolean small = message.getStoreSize() < body.length;
      Stage.equal("stored compressed is " + message.getKeys(), message.getTags().equals("default") && message.getKeys().equals("text"), small);
    }
    stage.note("messages", inbox.size());
  }

  /** Every character that names allow, and any character elsewhere. */
  static void unicode(Stage stage) throws Exception {
    String topic = stage.name("A_z-09|100%");
    stage.makeTopic(topic, 1);
    DefaultMQProducer producer = stage.producer();
    for (String tag : List.of("тег", "標籤", "etiquette", "🚀")) {
      Message message = Stage.message(topic, tag, null, "tout ça: " + tag + " \u0000 𝄞");
      message.setKeys(List.of("ключ", "鍵", tag));
      message.putUserProperty("имя", "значение 🚀 \"=;{}\\");
      producer.send(message);
    }
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = stage.consumer("g_z-09|100%");
    consumer.subscribe(topic, "тег || 標籤 || 🚀");
    consumer.registerMessageListener(inbox);
    stage.start(consumer);
    inbox.await(3);
    TreeSet<String> tags = new TreeSet<>();
    for (Inbox.Delivery delivery : inbox.deliveries()) {
      MessageExt message = delivery.message();
      String tag = message.getTags();
      tags.add(tag);
      Stage.equal("body", "tout ça: " + tag + " \u0000 𝄞", delivery.body());
      Stage.equal("keys", "ключ 鍵 " + tag, message.getKeys());
      Stage.equal("property", "значение 🚀 \"=;{}\\", message.getUserProperty("имя"));
      Stage.equal("topic", topic, delivery.topic());
    }
    stage.note("tags", tags);
  }

  /** Delayed messages are not there before their time, then in the queue they were sent to. */
  static void delay(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    stage.start(consumer);
    DefaultMQProducer producer = stage.producer();
    long[] delays = {0, 1000, 5000};
    Map<String, SendResult> results = new LinkedHashMap<>();
    Map<String, Long> sentAt = new LinkedHashMap<>();
    for (int level = 2; level >= 0; level--) {
      for (int i = 0; i < 3; i++) {
        Message message = Stage.message(topic, "tag", "key", level + " " + i);
        if (level > 0) message.setDelayTimeLevel(level);
        sentAt.put(Stage.text(message), System.currentTimeMillis());
        results.put(Stage.text(message), producer.send(message));
      }
    }
    inbox.await(9);
    long[] slowest = new long[3];
    for (Inbox.Delivery delivery : inbox.deliveries()) {
      int level = Integer.parseInt(delivery.body().split(" ")[0]);
      long took = delivery.at() - sentAt.get(delivery.body());
      Stage.check(took >= delays[level], "a message of level " + level + " came after " + took + " ms");
      slowest[level] = Math.max(slowest[level], took);
      Stage.equal("queue", results.get(delivery.body()).getMessageQueue().getQueueId(), delivery.message().getQueueId());
      Stage.equal("id", results.get(delivery.body()).getMsgId(), delivery.message().getMsgId());
      Stage.equal("level", level, delivery.message().getDelayTimeLevel());
      if (level > 0) Stage.equal("the topic it says it had", topic, delivery.message().getProperty("REAL_TOPIC"));
    }
    stage.note("slowest", slowest);
  }

  /** A client with a namespace sees names without it; whoever has none sees it in the names. */
  static void namespace(Stage stage) throws Exception {
    String namespace = stage.name("ns");
    String topic = stage.name("unmade");
    DefaultMQProducer producer = new DefaultMQProducer(stage.name("producers"));
    producer.setNamespace(namespace);
    stage.start(producer);
    for (int i = 0; i < 10; i++) producer.send(Stage.message(topic, "tag", "key" + i, "body " + i));
    stage.awaitCount(namespace + "%" + topic, 10);
    Stage.check(!stage.hasRoute(topic), "there is a topic without the namespace");

    Inbox inbox = new Inbox((delivery, context) -> {
      context.setDelayLevelWhenNextConsume(1);
      boolean again = delivery.body().equals("late") && delivery.reconsumeTimes() == 0;
      return again ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.setNamespace(namespace);
    consumer.subscribe(topic, "tag");
    consumer.registerMessageListener(inbox);
    stage.start(consumer);
    Stage.equal("the group", namespace + "%" + stage.name("group"), consumer.getConsumerGroup());
    inbox.await(10);
    stage.awaitRetryQueue(consumer);
    producer.send(Stage.message(topic, "tag", "late", "late"));
    inbox.await(12);
    for (Inbox.Delivery delivery : inbox.deliveries()) Stage.equal("topic of " + delivery.body(), topic, delivery.message().getTopic());

    DefaultMQPullConsumer puller = new DefaultMQPullConsumer(stage.name("pullers"));
    puller.setNamespace(namespace);
    stage.start(puller);
    int pulled = 0;
    for (MessageQueue queue : puller.fetchSubscribeMessageQueues(topic)) {
      Stage.equal("topic of a queue", topic, queue.getTopic());
      for (long offset = 0; offset < puller.maxOffset(queue); ) {
        for (MessageExt message : puller.pull(queue, "*", offset, 32).getMsgFoundList()) {
          Stage.equal("topic of a pulled message", topic, message.getTopic());
          Stage.equal("its namespace", namespace, message.getProperty("INSTANCE_ID"));
          offset = message.getQueueOffset() + 1;
          pulled++;
        }
      }
    }
    stage.note("delivered", inbox.size());
    stage.note("pulled", pulled);
  }
}
