import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.MQAdmin;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Scenarios of MQAdmin, which producers and consumers are as well: messages by key and id, bounds and times of queues. */
class Asking {
  private static final int NO_MESSAGE = 208;

  static void query(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    stage.makeTopic(stage.name("other"), 1);
    DefaultMQProducer producer = stage.producer();
    long begin = System.currentTimeMillis() - 1000; // an index knows times to the second, and rounds them down
    List<SendResult> sent = new ArrayList<>();
    for (int i = 0; i < 10; i++) sent.add(producer.send(Stage.message(topic, "tag", "common ключ-" + i, "body " + i)));
    for (MQAdmin client : List.of(producer, stage.reader())) {
      Stage.awaitEqual("found by the common key", 10, () -> find(client, topic, "common", 32, begin, Long.MAX_VALUE).size());
      for (int i = 0; i < 10; i++) {
        Stage.equal("found by a key", List.of("body " + i), find(client, topic, "ключ-" + i, 32, begin, Long.MAX_VALUE));
        for (String id : List.of(sent.get(i).getMsgId(), sent.get(i).getOffsetMsgId())) {
          MessageExt message = client.viewMessage(topic, id);
          Stage.equal("found by an id", List.of("body " + i, topic, "tag"), List.of(Stage.text(message), message.getTopic(), message.getTags()));
          Stage.equal("its queue offset", sent.get(i).getQueueOffset(), message.getQueueOffset());
        }
      }
      List<String> newest = find(client, topic, "common", 3, begin, Long.MAX_VALUE);
      Stage.equal("the newest three", List.of("body 7", "body 8", "body 9"), newest.stream().sorted().toList());
      Stage.equal("found of another time", List.of(), find(client, topic, "common", 32, 0, begin - 60_000));
      Stage.equal("found in another topic", List.of(), find(client, stage.name("other"), "common", 32, begin, Long.MAX_VALUE));
      Stage.equal("found by no key", List.of(), find(client, topic, "comm", 32, begin, Long.MAX_VALUE));
      checkUnknown(client, topic, sent.get(0).getMsgId().substring(0, 28) + "FFFF");
      checkUnknown(client, topic, sent.get(0).getOffsetMsgId().substring(0, 16) + "00000FFFFFFFFFFF");
    }
    stage.note("messages", sent.size());
  }

  private static List<String> find(MQAdmin client, String topic, String key, int max, long begin, long end) throws Exception {
    try {
      return Stage.texts(client.queryMessage(topic, key, max, begin, end).getMessageList());
    } catch (MQClientException e) {
      if (e.getResponseCode() == NO_MESSAGE) return List.of();
      throw e;
    }
  }

  private static void checkUnknown(MQAdmin client, String topic, String id) throws Exception {
    try {
      throw new IllegalStateException(id + " was found: " + client.viewMessage(topic, id));
    } catch (MQClientException e) {
      Stage.equal("the code for an unknown id", NO_MESSAGE, e.getResponseCode());
    }
  }

  static void bounds(Stage stage) throws Exception {
    String topic = stage.name("topic");
    stage.makeTopic(topic, 2);
    MessageQueue queue = stage.queues(topic).get(0);
    MessageQueue empty = stage.queues(topic).get(1);
    DefaultMQProducer producer = stage.producer();
    for (int i = 0; i < 10; i++) {
      producer.send(Stage.message(topic, "tag", "key", "body " + i), queue);
      long now = System.currentTimeMillis();
      Stage.await("the next millisecond", () -> System.currentTimeMillis() > now);
    }
    stage.awaitCount(topic, 10);
    List<MessageExt> messages = stage.read(topic);
    for (MQAdmin client : List.of(producer, stage.reader())) {
      Stage.equal("bounds", List.of(0L, 10L), List.of(client.minOffset(queue), client.maxOffset(queue)));
      Stage.equal("earliest store time", messages.get(0).getStoreTimestamp(), client.earliestMsgStoreTime(queue));
      for (MessageExt message : messages) {
        Stage.equal("the offset of a time", message.getQueueOffset(), client.searchOffset(queue, message.getStoreTimestamp()));
      }
      Stage.equal("the offset of long ago", 0L, client.searchOffset(queue, 1));
      Stage.equal("bounds of an empty queue", List.of(0L, 0L), List.of(client.minOffset(empty), client.maxOffset(empty)));
      Stage.equal("earliest store time of an empty queue", -1L, client.earliestMsgStoreTime(empty));
      Stage.equal("the offset of a time in an empty queue", 0L, client.searchOffset(empty, System.currentTimeMillis()));
      stage.note("ofTheFuture", client.searchOffset(queue, System.currentTimeMillis() + 3_600_000));
    }
    stage.note("messages", messages.size());
  }
}
