import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;

/** Scenarios of push consumers that go well: which messages each of them gets. */
class Pushing {
  /** Groups with other expressions on the same topic, two of whose tags have one hash. */
  static void tags(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    DefaultMQProducer producer = stage.producer();
    List<MessageQueue> queues = stage.queues(topic);
    String[] tags = {"a", "b", "c", "Aa", "BB", null};
    for (int i = 0; i < 60; i++) producer.send(Stage.message(topic, tags[i % 6], null, tags[i % 6] + " " + i), queues.get(i / 6 % 2));

    Map<String, List<String>> wanted = Map.of("a || b", List.of("a", "b"), "Aa", List.of("Aa"), "*", List.of("a", "b", "c", "Aa", "BB", "null"));
    Map<String, Inbox> inboxes = new LinkedHashMap<>();
    for (String expression : wanted.keySet()) {
      inboxes.put(expression, new Inbox());
      DefaultMQPushConsumer consumer = stage.consumer("group-" + inboxes.size());
      consumer.subscribe(topic, expression);
      consumer.registerMessageListener(inboxes.get(expression));
      stage.start(consumer);
    }
    for (boolean closed : new boolean[] {false, true}) { // nothing else comes until the end
      for (String expression : wanted.keySet()) {
        TreeSet<String> bodies = new TreeSet<>();
        for (int i = 0; i < 60; i++) if (wanted.get(expression).contains("" + tags[i % 6])) bodies.add(tags[i % 6] + " " + i);
        if (closed) Stage.equal("what " + expression + " gets", List.copyOf(bodies), inboxes.get(expression).bodies());
        else inboxes.get(expression).awaitBodies(bodies);
        stage.note(expression, bodies.size());
      }
      stage.close();
    }
  }

  /** Each of two consumers gets all, and goes on at the offset that it keeps itself. */
  static void broadcast(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 4);
    DefaultMQProducer producer = stage.producer();
    TreeSet<String> bodies = new TreeSet<>(send(producer, topic, 0, 20));
    Inbox one = new Inbox();
    Inbox two = new Inbox();
    DefaultMQPushConsumer first = broadcasting(stage, topic, "one", one);
    broadcasting(stage, topic, "two", two);
    bodies.addAll(send(producer, topic, 20, 40));
    one.awaitBodies(bodies);
    two.awaitBodies(bodies);
    first.shutdown();
    Inbox again = new Inbox();
    TreeSet<String> later = new TreeSet<>(send(producer, topic, 40, 50));
    broadcasting(stage, topic, "one", again);
    again.awaitBodies(later);
    bodies.addAll(later);
    two.awaitBodies(bodies);
    stage.note("one", one.size());
    stage.note("two", two.size());
    stage.note("again", again.size());
  }

  private static DefaultMQPushConsumer broadcasting(Stage stage, String topic, String instance, Inbox inbox) throws Exception {
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.setInstanceName(stage.name(instance)); // its file of offsets is named after that
    consumer.setMessageModel(Enum.valueOf(consumer.getMessageModel().getDeclaringClass(), "BROADCASTING")); // the enum has moved in 5.x
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    return stage.start(consumer);
  }

  /** A consumer that starts again gets what came since, and nothing twice. */
  static void restart(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    DefaultMQProducer producer = stage.producer();
    TreeSet<String> first = new TreeSet<>(send(producer, topic, 0, 20));
    stage.note("first", consumeOnce(stage, topic, first));
    stage.awaitCommitted(stage.name("group"), topic);
    TreeSet<String> second = new TreeSet<>(send(producer, topic, 20, 30));
    stage.note("second", consumeOnce(stage, topic, second));
  }

  private static int consumeOnce(Stage stage, String topic, TreeSet<String> bodies) throws Exception {
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    stage.start(consumer);
    inbox.awaitBodies(bodies);
    consumer.shutdown();
    Stage.equal("what came", List.copyOf(bodies), inbox.bodies());
    return inbox.size();
  }

  /** Where new groups begin: 20 messages, 20 more after a certain second, and one when the consumer has begun. */
  static void from(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 1);
    DefaultMQProducer producer = stage.producer();
    send(producer, topic, 0, 20);
    long second = (System.currentTimeMillis() / 1000 + 2) * 1000;
    Stage.await("the second", () -> System.currentTimeMillis() > second); // the nearest message is the one after it
    send(producer, topic, 20, 40);
    int before = 40;
    for (ConsumeFromWhere where : List.of(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP)) {
      stage.awaitCount(topic, before);
      Inbox inbox = new Inbox();
      DefaultMQPushConsumer consumer = stage.consumer(where.name());
      consumer.setConsumeFromWhere(where);
      consumer.setConsumeTimestamp(new SimpleDateFormat("yyyyMMddHHmmss").format(new Date(second)));
      consumer.setConsumeThreadMin(1);
      consumer.setConsumeThreadMax(1); // what it is given first is the first
      consumer.subscribe(topic, "*");
      consumer.registerMessageListener(inbox);
      stage.start(consumer);
      Stage.await("a queue", () -> !Stage.queuesOf(consumer, topic).isEmpty());
      producer.send(Stage.message(topic, null, null, where.name()));
      Stage.await("the message after it began", () -> inbox.bodies().contains(where.name()));
      long first = inbox.deliveries().get(0).message().getQueueOffset();
      Stage.equal("the number of deliveries", before + 1 - first, (long) inbox.size());
      stage.note(where.name(), first == before ? "after" : first);
      before++;
    }
  }

  static List<String> send(DefaultMQProducer producer, String topic, int from, int to) throws Exception {
    TreeSet<String> bodies = new TreeSet<>();
    for (int i = from; i < to; i++) {
      bodies.add("body " + i);
      producer.send(Stage.message(topic, "tag", "key" + i, "body " + i));
    }
    return List.copyOf(bodies);
  }
}
