import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullCallback;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Scenarios of the two consumers that ask for messages themselves. */
class Pulling {
  /** DefaultMQPullConsumer: every status, waiting, offsets, sending back. */
  static void pull(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    DefaultMQProducer producer = stage.producer();
    List<MessageQueue> queues = stage.queues(topic);
    MessageQueue queue = queues.get(0);
    List<SendResult> sent = new ArrayList<>();
    for (int i = 0; i < 40; i++) sent.add(producer.send(Stage.message(topic, i % 2 == 0 ? "even" : "odd", "key" + i, "body " + i), queue));
    producer.send(Stage.message(topic, "BB", null, "a tag with the hash of another"), queues.get(1));
    stage.awaitCount(topic, 41);

    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(stage.name("group"));
    consumer.setRegisterTopics(Set.of(topic));
    stage.start(consumer);
    Stage.equal("the queues", new TreeSet<>(queues), new TreeSet<>(consumer.fetchSubscribeMessageQueues(topic)));
    PullResult first = consumer.pull(queue, "*", 0, 10);
    checkPull(first, PullStatus.FOUND, 10, 10);
    Stage.equal("bounds", List.of(0L, 40L), List.of(first.getMinOffset(), first.getMaxOffset()));
    for (int i = 0; i < 10; i++) {
      MessageExt message = first.getMsgFoundList().get(i);
      Stage.equal("message", List.of("body " + i, (long) i, sent.get(i).getMsgId()), List.of(Stage.text(message), message.getQueueOffset(), message.getMsgId()));
    }
    checkPull(consumer.pull(queue, "odd", 35, 32), PullStatus.FOUND, 3, 40);
    checkPull(consumer.pull(queue, "none || nor", 0, 32), PullStatus.NO_MATCHED_MSG, 0, 40);
    checkPull(consumer.pull(queue, "*", 40, 32), PullStatus.NO_NEW_MSG, 0, 40);
    checkPull(consumer.pull(queue, "*", 1000, 32), PullStatus.OFFSET_ILLEGAL, 0, 40);
    PullResult other = consumer.pull(queues.get(1), "Aa", 0, 32);
    checkPull(other, other.getPullStatus(), 0, 1); // FOUND if the broker leaves it to the client to compare tags
    CompletableFuture<PullResult> called = new CompletableFuture<>();
    consumer.pull(queue, "even", 0, 5, new PullCallback() {
      @Override
      public void onSuccess(PullResult result) {
        called.complete(result);
      }

      @Override
      public void onException(Throwable e) {
        called.completeExceptionally(e);
      }
    });
    checkPull(called.get(60, TimeUnit.SECONDS), PullStatus.FOUND, 5, 9);

    CompletableFuture<String> waited = CompletableFuture.supplyAsync(() -> waitFor(consumer, queue, "wanted", 40));
    producer.send(Stage.message(topic, "other", null, "other"), queue);
    producer.send(Stage.message(topic, "wanted", null, "waited for"), queue);
    Stage.equal("what was waited for", "waited for", waited.get(60, TimeUnit.SECONDS));

    consumer.updateConsumeOffset(queue, 17);
    consumer.persist(queue);
    Stage.awaitEqual("the offset", 17L, () -> consumer.fetchConsumeOffset(queue, true));
    Stage.awaitEqual("the queues in balance", new TreeSet<>(queues), () -> new TreeSet<>(consumer.fetchMessageQueuesInBalance(topic)));

    consumer.sendMessageBack(first.getMsgFoundList().get(3), 1);
    String retry = "%RETRY%" + stage.name("group");
    stage.awaitCount(retry, 1);
    MessageExt back = stage.read(retry).get(0);
    Stage.equal("what was sent back", "body 3", Stage.text(back));
    Stage.equal("its origin", List.of(topic, sent.get(3).getOffsetMsgId()), List.of(back.getProperty("RETRY_TOPIC"), back.getProperty("ORIGIN_MESSAGE_ID")));
    Stage.equal("its deliveries and delay level", List.of(1, 1), List.of(back.getReconsumeTimes(), back.getDelayTimeLevel()));
    stage.note("messages", stage.count(topic));
  }

  private static void checkPull(PullResult result, PullStatus status, int messages, long next) {
    int found = result.getMsgFoundList() == null ? 0 : result.getMsgFoundList().size();
    Stage.equal("a pull", List.of(status, messages, next), List.of(result.getPullStatus(), found, result.getNextBeginOffset()));
  }

  /** A pull that comes when other tags are there already is answered at once. */
  private static String waitFor(DefaultMQPullConsumer consumer, MessageQueue queue, String tag, long from) {
    try {
      for (long offset = from; ; ) {
        PullResult result = consumer.pullBlockIfNotFound(queue, tag, offset, 32);
        if (result.getPullStatus() == PullStatus.FOUND) return Stage.text(result.getMsgFoundList().get(0));
        offset = result.getNextBeginOffset();
      }
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** DefaultLitePullConsumer with queues of its own choice: seeking, committing, an expression. */
  static void assign(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    DefaultMQProducer producer = stage.producer();
    List<MessageQueue> queues = stage.queues(topic);
    for (int i = 0; i < 40; i++) producer.send(Stage.message(topic, i % 4 == 0 ? "wanted" : "other", null, "body " + i), queues.get(i % 2));

    DefaultLitePullConsumer consumer = stage.start(lite(stage));
    Stage.equal("the queues", new TreeSet<>(queues), new TreeSet<>(consumer.fetchMessageQueues(topic)));
    consumer.assign(queues);
    Stage.equal("bodies", 40, new TreeSet<>(Stage.texts(poll(consumer, 40))).size());
    consumer.seek(queues.get(0), 5);
    checkOffsets(poll(consumer, 15), queues.get(0), 5);
    consumer.seekToEnd(queues.get(1));
    producer.send(Stage.message(topic, "other", null, "at the end"), queues.get(1));
    checkOffsets(poll(consumer, 1), queues.get(1), 20);
    consumer.seekToBegin(queues.get(1));
    checkOffsets(poll(consumer, 21), queues.get(1), 0);
    Stage.equal("the offset of long ago", 0L, consumer.offsetForTimestamp(queues.get(0), 1L));
    consumer.seek(queues.get(0), 7);
    checkOffsets(poll(consumer, 13), queues.get(0), 7);
    consumer.commitSync();
    Stage.equal("committed", List.of(20L, 21L), List.of(consumer.committed(queues.get(0)), consumer.committed(queues.get(1))));
    consumer.shutdown();
    stage.awaitCommitted(stage.name("group"), topic);

    DefaultLitePullConsumer again = lite(stage);
    again.assign(queues);
    stage.start(again);
    producer.send(Stage.message(topic, "other", null, "later"), queues.get(0));
    checkOffsets(poll(again, 1), queues.get(0), 20);

    DefaultLitePullConsumer choosy = new DefaultLitePullConsumer(stage.name("choosy"));
    choosy.setSubExpressionForAssign(topic, "wanted || unknown");
    stage.start(choosy);
    choosy.assign(queues);
    TreeSet<String> wanted = new TreeSet<>(Stage.texts(poll(choosy, 10)));
    for (int i = 0; i < 40; i += 4) Stage.check(wanted.contains("body " + i), "body " + i + " is missing");
    stage.note("messages", stage.count(topic));
    stage.note("wanted", wanted.size());
  }

  /** Commits nothing unless it is told to. */
  private static DefaultLitePullConsumer lite(Stage stage) {
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(stage.name("group"));
    consumer.setAutoCommit(false);
    return consumer;
  }

  /** DefaultLitePullConsumer with a subscription: all of it, and after a new start what has come since. */
  static void subscribe(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    DefaultMQProducer producer = stage.producer();
    List<MessageQueue> queues = stage.queues(topic);
    for (int i = 0; i < 30; i++) producer.send(Stage.message(topic, List.of("c", "b", "a").get(i / 2 % 3), null, "body " + i), queues.get(i % 2));
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(stage.name("group"));
    consumer.subscribe(topic, "a || b");
    stage.start(consumer);
    List<MessageExt> first = poll(consumer, 20);
    Stage.equal("the queues", new TreeSet<>(queues), new TreeSet<>(consumer.assignment()));
    Stage.equal("bodies", 20, new TreeSet<>(Stage.texts(first)).size());
    for (MessageExt message : first) Stage.check(List.of("a", "b").contains(message.getTags()), "got the tag " + message.getTags());
    consumer.commitSync();
    consumer.shutdown();
    stage.awaitCommitted(stage.name("group"), topic);

    for (int i = 30; i < 36; i++) producer.send(Stage.message(topic, "a", null, "body " + i), queues.get(i % 2));
    DefaultLitePullConsumer again = new DefaultLitePullConsumer(stage.name("group"));
    again.subscribe(topic, "a || b");
    stage.start(again);
    TreeSet<String> later = new TreeSet<>(Stage.texts(poll(again, 6)));
    for (int i = 30; i < 36; i++) Stage.check(later.contains("body " + i), "got " + later);
    stage.note("first", first.size());
    stage.note("later", later.size());
  }

  /** Exactly so many messages; the last of them come with those that are too many. */
  private static List<MessageExt> poll(DefaultLitePullConsumer consumer, int count) throws Exception {
    List<MessageExt> messages = new ArrayList<>();
    Stage.await(count + " messages", () -> messages.addAll(consumer.poll(100)) && messages.size() >= count);
    Stage.equal("how many messages came", count, messages.size());
    return messages;
  }

  private static void checkOffsets(List<MessageExt> messages, MessageQueue queue, long from) {
    for (MessageExt message : messages) Stage.equal("queue and offset", List.of(queue.getQueueId(), from++), List.of(message.getQueueId(), message.getQueueOffset()));
  }
}
