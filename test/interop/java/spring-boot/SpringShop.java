package shop;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentSkipListMap;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.ConsumeMode;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.messaging.support.MessageBuilder;
import org.springframework.stereotype.Component;

/**
 * SpringShop NAMESRV: an application as users of Spring Boot write it, by the template and by listeners: sends of every kind, tags, order, a delay, and a
 * listener that fails once. Prints facts as one line of JSON.
 */
@SpringBootApplication
public class SpringShop {
  static final String TOPIC = "spring-topic";
  private static final long PATIENCE_NANOS = 60_000_000_000L;
  /** By listener, what came to it. */
  private static final Map<String, List<String>> CAME = new ConcurrentSkipListMap<>();

  public static class Order {
    public String id;
    public int amount;
  }

  public static void main(String[] args) {
    try (ConfigurableApplicationContext context = SpringApplication.run(
        SpringShop.class,
        "--rocketmq.name-server=" + args[0],
        "--rocketmq.producer.group=spring-producers",
        "--rocketmq.producer.send-message-timeout=10000",
        "--spring.main.web-application-type=none",
        "--spring.main.banner-mode=off",
        "--logging.level.root=ERROR")) {
      Map<String, Object> facts = new LinkedHashMap<>();
      facts.put("statuses", send(context.getBean(RocketMQTemplate.class)));
      await(() -> size("red") >= 7 && size("ordered") >= 20 && size("failing") >= 2 && size("objects") >= 1);
      Thread.sleep(500); // what came too often would come now
      facts.putAll(new TreeMap<>(CAME));
      System.out.println(new ObjectMapper().writeValueAsString(facts));
    } catch (Throwable e) {
      e.printStackTrace();
      System.exit(1);
    }
    System.exit(0); // the client's threads would keep the process
  }

  private static Map<SendStatus, Integer> send(RocketMQTemplate template) throws Exception {
    Map<SendStatus, Integer> statuses = new TreeMap<>();
    for (int i = 0; i < 4; i++) statuses.merge(template.syncSend(TOPIC + ":" + (i % 2 == 0 ? "red" : "blue"), "plain-" + i).getSendStatus(), 1, Integer::sum);
    for (int i = 0; i < 20; i++) {
      String hashed = "order-" + i % 2;
      statuses.merge(template.syncSendOrderly("spring-ordered", hashed + "-" + i / 2, hashed).getSendStatus(), 1, Integer::sum);
    }
    template.convertAndSend(TOPIC + ":red", "converted");
    template.sendOneWay(TOPIC + ":red", "oneway");
    SendStatus[] answered = new SendStatus[1];
    template.asyncSend(TOPIC + ":red", "async", new SendCallback() {
      @Override
      public void onSuccess(SendResult result) {
        answered[0] = result.getSendStatus();
      }

      @Override
      public void onException(Throwable e) {
        e.printStackTrace();
      }
    });
    await(() -> answered[0] != null);
    statuses.merge(answered[0], 1, Integer::sum);
    List<org.springframework.messaging.Message<String>> batch = new ArrayList<>();
    for (int i = 0; i < 3; i++) batch.add(MessageBuilder.withPayload("batch-" + i).build());
    statuses.merge(template.syncSend(TOPIC + ":green", batch).getSendStatus(), 1, Integer::sum);
    statuses.merge(template.syncSend(TOPIC + ":red", MessageBuilder.withPayload("delayed").build(), 10_000, 1).getSendStatus(), 1, Integer::sum);
    statuses.merge(template.syncSend(TOPIC + ":failing", "fails once").getSendStatus(), 1, Integer::sum);
    statuses.merge(template.syncSend(TOPIC + ":red", "последнее").getSendStatus(), 1, Integer::sum);
    Order order = new Order();
    order.id = "o-1";
    order.amount = 42;
    statuses.merge(template.syncSend(TOPIC + ":object", order).getSendStatus(), 1, Integer::sum);
    return statuses;
  }

  static void came(String listener, String what) {
    List<String> list = CAME.computeIfAbsent(listener, any -> new ArrayList<>());
    synchronized (list) {
      list.add(what);
    }
  }

  private static int size(String listener) {
    List<String> list = CAME.getOrDefault(listener, List.of());
    synchronized (list) {
      return list.size();
    }
  }

  private static void await(Callable<Boolean> condition) throws Exception {
    for (long end = System.nanoTime() + PATIENCE_NANOS; !condition.call(); Thread.sleep(20)) {
      if (System.nanoTime() > end) throw new IllegalStateException("waited in vain; came: " + CAME);
    }
  }

  @Component
  @RocketMQMessageListener(topic = TOPIC, consumerGroup = "spring-red", selectorExpression = "red")
  static class Red implements RocketMQListener<String> {
    @Override
    public void onMessage(String body) {
      came("red", body);
    }
  }

  @Component
  @RocketMQMessageListener(topic = TOPIC, consumerGroup = "spring-objects", selectorExpression = "object || nothing")
  static class Objects implements RocketMQListener<Order> {
    @Override
    public void onMessage(Order order) {
      came("objects", order.id + " " + order.amount);
    }
  }

  @Component
  @RocketMQMessageListener(topic = "spring-ordered", consumerGroup = "spring-ordered", consumeMode = ConsumeMode.ORDERLY)
  static class Ordered implements RocketMQListener<String> {
    @Override
    public void onMessage(String body) {
      came("ordered", body);
    }
  }

  @Component
  @RocketMQMessageListener(topic = TOPIC, consumerGroup = "spring-failing", selectorExpression = "failing", delayLevelWhenNextConsume = 1)
  static class Failing implements RocketMQListener<MessageExt> {
    @Override
    public void onMessage(MessageExt message) {
      came("failing", message.getTopic() + " " + message.getReconsumeTimes());
      if (message.getReconsumeTimes() == 0) throw new IllegalStateException("as it should");
    }
  }
}
