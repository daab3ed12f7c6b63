import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedDeque;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Where one scenario plays: names of its own, clients that shut down when it ends, checks, and the facts it notes. */
class Stage implements AutoCloseable {
  /** Of requests, by default 3 seconds, which a busy machine needs at times. */
  private static final int TIMEOUT_MS = 20_000;
  private static final long PATIENCE_NANOS = 60_000_000_000L;

  final Map<String, Object> facts = new LinkedHashMap<>();
  private final String namesrv;
  private final String prefix;
  private final String scenario;
  private final Deque<Runnable> ends = new ConcurrentLinkedDeque<>();
  private DefaultMQAdminExt admin;
  private DefaultMQPullConsumer reader;

  Stage(String namesrv, String prefix, String scenario) {
    this.namesrv = namesrv;
    this.prefix = prefix;
    this.scenario = scenario;
  }

  /** A topic or group of this scenario. */
  String name(String of) {
    return nameIn(scenario, of);
  }

  String nameIn(String scenario, String of) {
    return prefix + "-" + scenario + "-" + of;
  }

  DefaultMQProducer producer() throws MQClientException {
    return start(new DefaultMQProducer(name("producers")));
  }

  DefaultMQProducer start(DefaultMQProducer producer) throws MQClientException {
    producer.setSendMsgTimeout(TIMEOUT_MS);
    prepare(producer);
    producer.start();
    ends.push(producer::shutdown);
    return producer;
  }

  /** A push consumer of that group, from the first offset, still to be started. */
  DefaultMQPushConsumer consumer(String group) {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(name(group));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    return consumer;
  }

  DefaultMQPushConsumer start(DefaultMQPushConsumer consumer) throws MQClientException {
    prepare(consumer);
    consumer.start();
    ends.push(consumer::shutdown);
    return consumer;
  }

  DefaultMQPullConsumer start(DefaultMQPullConsumer consumer) throws MQClientException {
    prepare(consumer);
    consumer.start();
    ends.push(consumer::shutdown);
    return consumer;
  }

  DefaultLitePullConsumer start(DefaultLitePullConsumer consumer) throws MQClientException {
    prepare(consumer);
    consumer.start();
    ends.push(consumer::shutdown);
    return consumer;
  }

  private void prepare(ClientConfig client) {
    client.setNamesrvAddr(namesrv);
    client.setMqClientApiTimeout(TIMEOUT_MS);
  }

  /** Shuts all clients down, at the same time: each may take seconds. */
  @Override
  public void close() {
    List<CompletableFuture<Void>> ending = new ArrayList<>();
    for (Runnable end; (end = ends.poll()) != null; ) ending.add(CompletableFuture.runAsync(end, task -> new Thread(task).start()));
    for (CompletableFuture<Void> end : ending) end.join();
  }

  void makeTopic(String topic, int queues) throws Exception {
    String broker = admin().examineTopicRouteInfo("TBW102").getBrokerDatas().get(0).getBrokerAddrs().get(0L);
    admin().createAndUpdateTopicConfig(broker, new TopicConfig(topic, queues, queues, 6));
    awaitRoute(topic);
  }

  void awaitRoute(String topic) throws Exception {
    await("a route of " + topic, () -> hasRoute(topic));
  }

  boolean hasRoute(String topic) throws Exception {
    try {
      return !admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty();
    } catch (MQClientException e) {
      return false;
    }
  }

  private DefaultMQAdminExt admin() throws MQClientException {
    if (admin == null) {
      admin = new DefaultMQAdminExt();
      prepare(admin);
      admin.setInstanceName(name("admin"));
      admin.start();
      ends.push(admin::shutdown);
    }
    return admin;
  }

  /** A pull consumer that only looks: it commits nothing. */
  DefaultMQPullConsumer reader() throws MQClientException {
    if (reader == null) reader = start(new DefaultMQPullConsumer(name("readers")));
    return reader;
  }

  List<MessageQueue> queues(String topic) throws Exception {
    awaitRoute(topic);
    return new ArrayList<>(new TreeSet<>(reader().fetchSubscribeMessageQueues(topic)));
  }

  long count(String topic) throws Exception {
    long count = 0;
    for (MessageQueue queue : queues(topic)) count += reader().maxOffset(queue);
    return count;
  }

  /** A message may be in the log for a moment before it is in its queue. */
  void awaitCount(String topic, int count) throws Exception {
    awaitEqual("the number of messages of " + topic, (long) count, () -> count(topic));
  }

  /** Every message of the topic, queue by queue, as it is pulled. */
  List<MessageExt> read(String topic) throws Exception {
    List<MessageExt> messages = new ArrayList<>();
    for (MessageQueue queue : queues(topic)) {
      for (long offset = reader().minOffset(queue); offset < reader().maxOffset(queue); ) {
        PullResult page = reader().pull(queue, "*", offset, 32);
        equal("a pull of " + queue + " at " + offset, PullStatus.FOUND, page.getPullStatus());
        messages.addAll(page.getMsgFoundList());
        offset = page.getNextBeginOffset();
      }
    }
    return messages;
  }

  /** Waits until the broker keeps the end of each of the topic's queues as the group's offset. */
  void awaitCommitted(String group, String topic) throws Exception {
    DefaultMQPullConsumer member = start(new DefaultMQPullConsumer(group));
    for (MessageQueue queue : queues(topic)) {
      awaitEqual("the offset of " + group + " in " + queue, reader().maxOffset(queue), () -> member.fetchConsumeOffset(queue, true));
    }
    member.shutdown();
  }

  /** The topic's queues that the consumer has now; of a locked one it has the lock. */
  static TreeSet<MessageQueue> queuesOf(DefaultMQPushConsumer consumer, String topic) {
    TreeSet<MessageQueue> queues = new TreeSet<>(consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet());
    queues.removeIf(queue -> !queue.getTopic().equals(topic));
    return queues;
  }

  /** The first heartbeat of a group makes its retry topic, and its client would look for the route half a minute later. */
  void awaitRetryQueue(DefaultMQPushConsumer consumer) throws Exception {
    String topic = "%RETRY%" + consumer.getConsumerGroup();
    awaitRoute(topic);
    await("a queue of " + topic, () -> {
      consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().updateTopicRouteInfoFromNameServer(topic);
      consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().rebalanceImmediately();
      return !queuesOf(consumer, topic).isEmpty();
    });
  }

  void note(String fact, Object value) {
    facts.put(fact, value);
  }

  static void check(boolean holds, String otherwise) {
    if (!holds) throw new IllegalStateException(otherwise);
  }

  static void equal(String what, Object expected, Object actual) {
    check(Objects.equals(expected, actual), what + " should be " + expected + " and is " + actual);
  }

  static void await(String what, Callable<Boolean> condition) throws Exception {
    long end = System.nanoTime() + PATIENCE_NANOS;
    for (; !condition.call(); Thread.sleep(20)) check(System.nanoTime() < end, "waited in vain for " + what);
  }

  static void awaitEqual(String what, Object expected, Callable<?> actual) throws Exception {
    long end = System.nanoTime() + PATIENCE_NANOS;
    for (Object last; !expected.equals(last = actual.call()); Thread.sleep(20)) {
      check(System.nanoTime() < end, "waited in vain: " + what + " should be " + expected + " and is " + last);
    }
  }

  static Message message(String topic, String tags, String keys, String body) {
    return new Message(topic, tags, keys, body.getBytes(StandardCharsets.UTF_8));
  }

  static String text(Message message) {
    return new String(message.getBody(), StandardCharsets.UTF_8);
  }

  static List<String> texts(Collection<? extends Message> messages) {
    List<String> texts = new ArrayList<>();
    for (Message message : messages) texts.add(text(message));
    return texts;
  }

  static String offsetId(MessageExt message) {
    return ((MessageClientExt) message).getOffsetMsgId();
  }
}
