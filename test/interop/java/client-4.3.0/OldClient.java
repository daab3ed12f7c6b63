import com.alibaba.fastjson.JSON;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * OldClient NAMESRV: what an application does with the client of its day: plain sends, ordered sends, tags, consuming in order, failing and consuming again.
 * Prints facts as one line of JSON.
 */
public class OldClient {
  private static final String TOPIC = "old-topic";
  private static final int BODY_BYTES = 20_000;
  private static final long PATIENCE_NANOS = 60_000_000_000L;

  private final String namesrv;
  private final Map<String, Object> facts = new LinkedHashMap<>();
  private final Map<String, byte[]> bodies = new LinkedHashMap<>();

  private OldClient(String namesrv) {
    this.namesrv = namesrv;
  }

  public static void main(String[] args) throws Exception {
    try {
      OldClient client = new OldClient(args[0]);
      client.send();
      client.consumeTags();
      client.consumeInOrder();
      client.consumeAgain();
      System.out.println(JSON.toJSONString(client.facts));
      System.exit(0);
    } catch (Throwable e) {
      e.printStackTrace();
      System.exit(1); // the client's threads would keep the process
    }
  }

  /** 20 messages to any queue, 20 of two orders to a queue each; bodies that do not become shorter, so that the connection shows what it carried. */
  private void send() throws Exception {
    facts.put("version", MQVersion.getVersionDesc(MQVersion.CURRENT_VERSION));
    DefaultMQProducer producer = new DefaultMQProducer("old-producers");
    producer.setNamesrvAddr(namesrv);
    producer.setSendMsgTimeout(10_000);
    producer.setCreateTopicKey("TBW102"); // releases before and after this one have it by themselves
    producer.start();
    facts.put("vip", producer.isVipChannelEnabled());
    TreeSet<Integer> queues = new TreeSet<>();
    for (int i = 0; i < 20; i++) queues.add(sent(producer.send(message(i % 2 == 0 ? "red" : "blue", "plain-" + i))));
    facts.put("queues", queues);
    Map<Integer, TreeSet<Integer>> ofOrder = new LinkedHashMap<>();
    for (int i = 0; i < 20; i++) {
      int order = i % 2;
      SendResult result = producer.send(message("step", "order-" + order + "-" + i / 2), (all, message, arg) -> all.get((Integer) arg), order);
      ofOrder.computeIfAbsent(order, any -> new TreeSet<>()).add(sent(result));
    }
    facts.put("queuesOfOrders", ofOrder.values());
    producer.shutdown();
  }

  private Message message(String tag, String key) {
    byte[] body = new byte[BODY_BYTES];
    new Random(key.hashCode()).nextBytes(body);
    bodies.put(key, body);
    return new Message(TOPIC, tag, key, body);
  }

  private static int sent(SendResult result) {
    if (result.getSendStatus() != SendStatus.SEND_OK) throw new IllegalStateException(result.toString());
    return result.getMessageQueue().getQueueId();
  }

  private void consumeTags() throws Exception {
    List<String> keys = new ArrayList<>();
    DefaultMQPushConsumer consumer = consumer("red", "red");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      keep(keys, messages.get(0));
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    await("red messages", () -> size(keys) >= 10);
    consumer.shutdown();
    facts.put("red", new TreeSet<>(keys));
    facts.put("redDeliveries", keys.size());
  }

  private void consumeInOrder() throws Exception {
    List<String> keys = new ArrayList<>();
    DefaultMQPushConsumer consumer = consumer("ordered", "step");
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      keep(keys, messages.get(0));
      return ConsumeOrderlyStatus.SUCCESS;
    });
    consumer.start();
    await("ordered messages", () -> size(keys) >= 20);
    consumer.shutdown();
    for (int order = 0; order < 2; order++) {
      String start = "order-" + order;
      facts.put(start, keys.stream().filter(key -> key.startsWith(start)).toArray());
    }
  }

  /** One message fails once. */
  private void consumeAgain() throws Exception {
    List<String> deliveries = new ArrayList<>();
    DefaultMQPushConsumer consumer = consumer("again", "blue");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      MessageExt message = messages.get(0);
      context.setDelayLevelWhenNextConsume(1);
      boolean fails = message.getKeys().equals("plain-7");
      if (fails) keep(deliveries, message, message.getTopic() + " " + message.getReconsumeTimes());
      return fails && message.getReconsumeTimes() == 0 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    await("what failed", () -> size(deliveries) >= 2);
    consumer.shutdown();
    facts.put("again", deliveries);
  }

  private DefaultMQPushConsumer consumer(String group, String tags) throws MQClientException {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("old-" + group);
    consumer.setNamesrvAddr(namesrv);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.setPollNameServerInterval(1000); // the retry topic is made by the first heartbeat
    consumer.subscribe(TOPIC, tags);
    return consumer;
  }

  private void keep(List<String> list, MessageExt message) {
    keep(list, message, message.getKeys());
  }

  private void keep(List<String> list, MessageExt message, String what) {
    boolean same = Arrays.equals(bodies.get(message.getKeys()), message.getBody());
    synchronized (list) {
      list.add(same ? what : what + " with another body");
    }
  }

  private static int size(List<String> list) {
    synchronized (list) {
      return list.size();
    }
  }

  private static void await(String what, Callable<Boolean> condition) throws Exception {
    for (long end = System.nanoTime() + PATIENCE_NANOS; !condition.call(); Thread.sleep(20)) {
      if (System.nanoTime() > end) throw new IllegalStateException("waited in vain for " + what);
    }
  }
}
