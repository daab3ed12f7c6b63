import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Scenarios of groups: consumers share a topic's queues, and share them anew when one comes, leaves or dies. */
class Sharing {
  /** Consumers come and leave while messages are sent; none is lost. */
  static void share(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 8);
    Sender sender = new Sender(stage.producer(), topic);
    sender.start();
    List<DefaultMQPushConsumer> consumers = new ArrayList<>();
    List<Inbox> inboxes = new ArrayList<>();
    for (List<Integer> shares : List.of(List.of(8), List.of(4, 4), List.of(2, 3, 3))) {
      Inbox inbox = new Inbox();
      consumers.add(member(stage, topic, inbox));
      inboxes.add(inbox);
      awaitShares(stage, topic, consumers, shares);
      awaitDeliveries(inboxes);
    }
    for (List<Integer> shares : List.of(List.of(4, 4), List.of(8))) {
      consumers.remove(0).shutdown();
      awaitShares(stage, topic, consumers, shares);
      awaitDeliveries(inboxes.subList(inboxes.size() - consumers.size(), inboxes.size()));
    }
    TreeSet<String> sent = sender.end();
    Stage.awaitEqual("what came", sent, () -> received(inboxes));
    int deliveries = 0;
    for (Inbox inbox : inboxes) deliveries += inbox.size();
    stage.note("lost", sent.size() - received(inboxes).size());
    stage.note("sent", sent.size());
    stage.note("deliveries", deliveries);
  }

  private static DefaultMQPushConsumer member(Stage stage, String topic, Inbox inbox) throws Exception {
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    return stage.start(consumer);
  }

  /** Waits until every queue has one consumer and each consumer its share. */
  private static void awaitShares(Stage stage, String topic, List<DefaultMQPushConsumer> consumers, List<Integer> shares) throws Exception {
    List<MessageQueue> all = stage.queues(topic);
    Stage.awaitEqual("the shares", shares, () -> consumers.stream().map(consumer -> Stage.queuesOf(consumer, topic).size()).sorted().toList());
    Stage.awaitEqual("the queues that are consumed", all, () -> consumers.stream().flatMap(consumer -> Stage.queuesOf(consumer, topic).stream()).sorted().toList());
  }

  private static void awaitDeliveries(List<Inbox> inboxes) throws Exception {
    for (Inbox inbox : inboxes) {
      int before = inbox.size();
      Stage.await("a delivery to each", () -> inbox.size() > before);
    }
  }

  private static TreeSet<String> received(List<Inbox> inboxes) {
    TreeSet<String> bodies = new TreeSet<>();
    for (Inbox inbox : inboxes) bodies.addAll(inbox.bodies());
    return bodies;
  }

  /** Sends numbers until it is told to end. */
  private static class Sender extends Thread {
    private final DefaultMQProducer producer;
    private final String topic;
    private final TreeSet<String> sent = new TreeSet<>();
    private volatile boolean ending;
    private Exception failure;

    Sender(DefaultMQProducer producer, String topic) {
      this.producer = producer;
      this.topic = topic;
    }

    @Override
    public void run() {
      try {
        for (int i = 0; !ending; i++) {
          producer.send(Stage.message(topic, "tag", null, String.valueOf(i)));
          sent.add(String.valueOf(i));
          Thread.sleep(5);
        }
      } catch (Exception e) {
        failure = e;
      }
    }

    TreeSet<String> end() throws Exception {
      ending = true;
      join();
      if (failure != null) throw failure;
      return sent;
    }
  }

  /** Gets all messages, also those that a consumer in another process, which plays `hang`, had when it was killed. */
  static void takeover(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 4);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = member(stage, topic, inbox);
    Stage.awaitEqual("the queues before another consumer comes", 4, () -> Stage.queuesOf(consumer, topic).size());
    stage.makeTopic(stage.name("others-may-come"), 1);
    Stage.awaitEqual("the queues beside another consumer", 2, () -> Stage.queuesOf(consumer, topic).size());
    DefaultMQProducer producer = stage.producer();
    TreeSet<String> sent = new TreeSet<>(Pushing.send(producer, topic, 0, 40));
    Stage.awaitEqual("the queues alone", 4, () -> Stage.queuesOf(consumer, topic).size());
    inbox.awaitBodies(sent);
    stage.note("messages", sent.size());
  }

  /** Joins the group of `takeover`, says when it is given a message, and does not end with it. */
  static void hang(Stage stage) throws Exception {
    String topic = stage.nameIn("takeover", "topic");
    stage.awaitRoute(stage.nameIn("takeover", "others-may-come"));
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(stage.nameIn("takeover", "group"));
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(new Inbox((delivery, context) -> {
      Clients.print(Map.of("scenario", "hang", "given", delivery.body()));
      while (true) sleep(1000);
    }));
    stage.start(consumer);
    while (true) sleep(1000);
  }

  private static void sleep(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Each queue in its order and one at a time, over a failure, while a second consumer comes, and when the first leaves. */
  static void orderly(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 4);
    Order order = new Order();
    List<DefaultMQPushConsumer> consumers = new ArrayList<>();
    consumers.add(orderlyMember(stage, topic, order));
    awaitShares(stage, topic, consumers, List.of(4));
    DefaultMQProducer producer = stage.producer();
    List<MessageQueue> queues = stage.queues(topic);
    sendNumbers(producer, queues, 0, 25);
    Stage.awaitEqual("the queues with a message that is held", 4, order.held::size);
    consumers.add(orderlyMember(stage, topic, order));
    Stage.await("an attempt to give a queue up that is being consumed", () -> triedInVain(consumers.get(0)));
    order.release.countDown();
    order.awaitNext(queues, 25);
    awaitShares(stage, topic, consumers, List.of(2, 2));
    sendNumbers(producer, queues, 25, 50);
    consumers.remove(0).shutdown();
    awaitShares(stage, topic, consumers, List.of(4));
    order.awaitNext(queues, 50);
    Stage.equal("what was out of order", List.of(), List.copyOf(order.troubles));
    stage.note("messages", stage.count(topic));
    stage.note("failures", order.failed.size());
    stage.note("repeated", order.repeated.get());
  }

  private static DefaultMQPushConsumer orderlyMember(Stage stage, String topic, Order order) throws Exception {
    DefaultMQPushConsumer consumer = stage.consumer("group");
    consumer.subscribe(topic, "*");
    consumer.setAwaitTerminationMillisWhenShutdown(10_000);
    consumer.registerMessageListener(order);
    return stage.start(consumer);
  }

  private static boolean triedInVain(DefaultMQPushConsumer consumer) {
    return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().values().stream().anyMatch(queue -> queue.getTryUnlockTimes() > 0);
  }

  private static void sendNumbers(DefaultMQProducer producer, List<MessageQueue> queues, int from, int to) throws Exception {
    for (int i = from; i < to; i++) {
      for (MessageQueue queue : queues) producer.send(Stage.message(queue.getTopic(), "tag", null, String.valueOf(i)), queue);
    }
  }

  /** Numbers of a queue may come again from an earlier one on, when its consumer changes, but none before its turn. */
  private static class Order implements MessageListenerOrderly {
    final ConcurrentLinkedQueue<String> troubles = new ConcurrentLinkedQueue<>();
    /** Queues whose number 5 was held until the release, and whose number 10 failed once. */
    final Set<Integer> held = ConcurrentHashMap.newKeySet();
    final CountDownLatch release = new CountDownLatch(1);
    final Set<Integer> failed = ConcurrentHashMap.newKeySet();
    final AtomicInteger repeated = new AtomicInteger();
    private final Set<Integer> busy = ConcurrentHashMap.newKeySet();
    private final Map<Integer, Integer> next = new ConcurrentHashMap<>();

    @Override
    public ConsumeOrderlyStatus consumeMessage(List<MessageExt> messages, ConsumeOrderlyContext context) {
      MessageExt message = messages.get(0);
      int queue = message.getQueueId();
      if (!busy.add(queue)) troubles.add("two consumers at a time in queue " + queue);
      try {
        int number = Integer.parseInt(Stage.text(message));
        int turn = next.getOrDefault(queue, 0);
        if (number > turn) troubles.add("in queue " + queue + " came " + number + " when it was the turn of " + turn);
        if (number < turn) repeated.incrementAndGet();
        if (number == 5 && held.add(queue)) release.await();
        if (number == 10 && failed.add(queue)) {
          context.setSuspendCurrentQueueTimeMillis(100);
          return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
        }
        Thread.sleep(2);
        next.put(queue, number + 1);
        return ConsumeOrderlyStatus.SUCCESS;
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      } finally {
        busy.remove(queue);
      }
    }

    void awaitNext(List<MessageQueue> queues, int number) throws Exception {
      for (MessageQueue queue : queues) Stage.awaitEqual("the turn in " + queue, number, () -> next.getOrDefault(queue.getQueueId(), 0));
    }
  }
}
