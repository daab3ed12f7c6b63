import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Scenarios of push consumers that fail: what comes again, how often, and where it ends. */
class Retrying {
  /** One that fails always and ends in the dead letter queue, one that is thrown about once, one without hope, one that is fine. */
  static void retry(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    Inbox inbox = new Inbox((delivery, context) -> {
      String key = delivery.message().getKeys();
      context.setDelayLevelWhenNextConsume(key.equals("hopeless") ? -1 : 1);
      if (key.equals("thrown") && delivery.reconsumeTimes() == 0) throw new IllegalArgumentException("as it should be");
      return key.equals("failing") || key.equals("hopeless") ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.setMaxReconsumeTimes(2);
    consumer.subscribe(topic, "tag");
    consumer.registerMessageListener(inbox);
    stage.start(consumer);
    stage.awaitRetryQueue(consumer);
    DefaultMQProducer producer = stage.producer();
    TreeMap<String, SendResult> results = new TreeMap<>();
    for (String key : List.of("failing", "thrown", "hopeless", "fine")) {
      Message message = Stage.message(topic, "tag", key, key + " and long enough to be compressed. ".repeat(200));
      message.putUserProperty("mine", key);
      results.put(key, producer.send(message));
    }
    String dead = "%DLQ%" + stage.name("group");
    Stage.awaitEqual("dead letters", 2L, () -> stage.hasRoute(dead) ? stage.count(dead) : 0);
    inbox.await(7);

    for (String key : results.keySet()) {
      List<Inbox.Delivery> deliveries = inbox.deliveries().stream().filter(delivery -> delivery.message().getKeys().equals(key)).toList();
      for (int i = 0; i < deliveries.size(); i++) {
        Inbox.Delivery delivery = deliveries.get(i);
        Stage.equal("earlier deliveries of " + key, i, delivery.reconsumeTimes());
        Stage.equal("topic of " + key, topic, delivery.topic());
        checkSame(results.get(key), delivery.message(), key);
        if (i > 0) Stage.check(delivery.at() - deliveries.get(i - 1).at() >= 1000, key + " came again too soon");
        if (i > 0) Stage.equal("delay level of " + key, 1, delivery.message().getDelayTimeLevel());
      }
      stage.note(key, deliveries.size());
    }
    for (MessageExt letter : stage.read(dead)) {
      String key = letter.getKeys();
      Stage.equal("topic of the dead " + key, dead, letter.getTopic());
      Stage.equal("queue of the dead " + key, 0, letter.getQueueId());
      Stage.equal("original topic of " + key, topic, letter.getProperty("RETRY_TOPIC"));
      Stage.equal("original id of " + key, results.get(key).getOffsetMsgId(), letter.getProperty("ORIGIN_MESSAGE_ID"));
      checkSame(results.get(key), letter, key);
      stage.note(key + "Dead", letter.getReconsumeTimes());
    }
  }

  private static void checkSame(SendResult sent, MessageExt message, String key) {
    Stage.equal("id of " + key, sent.getMsgId(), message.getMsgId());
    Stage.equal("tags of " + key, "tag", message.getTags());
    Stage.equal("property of " + key, key, message.getUserProperty("mine"));
    Stage.equal("body of " + key, key + " and long enough to be compressed. ".repeat(200), Stage.text(message));
  }

  /** An orderly consumer that may not fail once gives a message up, by sending it to its retry topic, and goes on in the queue. */
  static void orderlyDead(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 1);
    ConcurrentLinkedQueue<String> done = new ConcurrentLinkedQueue<>();
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.setMaxReconsumeTimes(0);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      String body = Stage.text(messages.get(0));
      done.add(body);
      return body.equals("1") ? ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT : ConsumeOrderlyStatus.SUCCESS;
    });
    stage.start(consumer);
    DefaultMQProducer producer = stage.producer();
    for (int i = 0; i < 3; i++) producer.send(Stage.message(topic, "tag", "key", String.valueOf(i)));
    String dead = "%DLQ%" + stage.name("group");
    Stage.awaitEqual("dead letters", 1L, () -> stage.hasRoute(dead) ? stage.count(dead) : 0);
    MessageExt letter = stage.read(dead).get(0);
    Stage.equal("the dead letter", List.of("1", "tag", topic), List.of(Stage.text(letter), letter.getTags(), letter.getProperty("RETRY_TOPIC")));
    Stage.awaitEqual("the order", List.of("0", "1", "2"), () -> List.copyOf(done));
    consumer.shutdown();
    stage.awaitCommitted(stage.name("group"), topic);
    stage.note("order", done);
  }
}
