import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** A listener that keeps every delivery as it was. */
class Inbox implements MessageListenerConcurrently {
  /** What is told of a delivery after it was kept. */
  interface Verdict {
    ConsumeConcurrentlyStatus of(Delivery delivery, ConsumeConcurrentlyContext context);
  }

  /** The topic and the count of a message that the client holds change as it is sent back. */
  record Delivery(MessageExt message, String body, String topic, int reconsumeTimes, long at) {}

  private final Verdict verdict;
  private final List<Delivery> deliveries = new ArrayList<>();

  Inbox() {
    this((delivery, context) -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
  }

  Inbox(Verdict verdict) {
    this.verdict = verdict;
  }

  @Override
  public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
    MessageExt message = messages.get(0); // a consumer gives one at a time unless told otherwise
    Delivery delivery = new Delivery(message, Stage.text(message), message.getTopic(), message.getReconsumeTimes(), System.currentTimeMillis());
    synchronized (deliveries) {
      deliveries.add(delivery);
    }
    return verdict.of(delivery, context);
  }

  List<Delivery> deliveries() {
    synchronized (deliveries) {
      return new ArrayList<>(deliveries);
    }
  }

  int size() {
    synchronized (deliveries) {
      return deliveries.size();
    }
  }

  /** Bodies of what came, sorted; what came twice is twice there. */
  List<String> bodies() {
    return deliveries().stream().map(Delivery::body).sorted().toList();
  }

  /** Waits until each of the bodies, and no other, has come, some perhaps more than once. */
  void awaitBodies(TreeSet<String> expected) throws Exception {
    Stage.awaitEqual("what came", expected, () -> new TreeSet<>(bodies()));
  }

  void await(int count) throws Exception {
    Stage.awaitEqual("the number of deliveries", count, this::size);
  }
}
