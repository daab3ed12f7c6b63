import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * BrokerReader NAMESRV BROKER TOPIC QUEUES …: tells a broker of each topic with that many queues, pulls every message of them with the
 * Java client and prints one a line as JSON, then sends one more message to each topic.
 */
public class BrokerReader {
  public static void main(String[] args) throws Exception {
    try {
      String namesrv = args[0];
      announce(namesrv, args[1], args);
      readAll(namesrv, args);
      send(namesrv, args);
      System.exit(0);
    } catch (Throwable e) {
      e.printStackTrace();
      System.exit(1); // the client's threads would keep the process
    }
  }

  private static void announce(String namesrv, String broker, String[] args) throws Exception {
    DefaultMQAdminExt admin = new DefaultMQAdminExt();
    admin.setNamesrvAddr(namesrv);
    admin.setInstanceName("announcing");
    admin.start();
    for (int i = 2; i < args.length; i += 2) {
      int queues = Integer.parseInt(args[i + 1]);
      admin.createAndUpdateTopicConfig(broker, new TopicConfig(args[i], queues, queues, 6));
    }
    admin.shutdown();
  }

  private static void readAll(String namesrv, String[] args) throws Exception {
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("readers");
    consumer.setNamesrvAddr(namesrv);
    consumer.setInstanceName("reading");
    consumer.start();
    for (int i = 2; i < args.length; i += 2) {
      for (MessageQueue queue : queuesOf(consumer, args[i])) {
        long offset = consumer.minOffset(queue);
        while (offset < consumer.maxOffset(queue)) {
          PullResult page = consumer.pull(queue, "*", offset, 32);
          if (page.getPullStatus() != PullStatus.FOUND) throw new IllegalStateException(queue + " at " + offset + ": " + page);
          for (MessageExt message : page.getMsgFoundList()) print("pulled", message.getTopic(), message.getQueueId(), message.getQueueOffset(), message.getCommitLogOffset(), message.getKeys(), sha1(message.getBody() == null ? new byte[0] : message.getBody()));
          offset = page.getNextBeginOffset();
        }
      }
    }
    consumer.shutdown();
  }

  /** The name server learns of a topic a moment after the broker. */
  private static Iterable<MessageQueue> queuesOf(DefaultMQPullConsumer consumer, String topic) throws Exception {
    for (int tries = 0; ; tries++) {
      try {
        return consumer.fetchSubscribeMessageQueues(topic);
      } catch (MQClientException e) {
        if (tries == 50) throw e;
        Thread.sleep(100);
      }
    }
  }

  private static void send(String namesrv, String[] args) throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer("writers");
    producer.setNamesrvAddr(namesrv);
    producer.setInstanceName("sending");
    producer.start();
    for (int i = 2; i < args.length; i += 2) {
      SendResult sent = producer.send(new Message(args[i], "fromBroker", "broker" + i, "sent through a broker".getBytes("UTF-8")), 10_000);
      MessageQueue queue = sent.getMessageQueue();
      print("sent", queue.getTopic(), queue.getQueueId(), sent.getQueueOffset(), Long.parseLong(sent.getOffsetMsgId().substring(16), 16), "broker" + i, null);
    }
    producer.shutdown();
  }

  private static String sha1(byte[] bytes) throws Exception {
    return String.format("%040x", new BigInteger(1, MessageDigest.getInstance("SHA-1").digest(bytes)));
  }

  private static void print(String what, String topic, int queueId, long queueOffset, long logOffset, String keys, String bodySha1) {
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("what", what);
    row.put("topic", topic);
    row.put("queueId", queueId);
    row.put("queueOffset", queueOffset);
    row.put("logOffset", logOffset);
    row.put("keys", keys);
    row.put("bodySha1", bodySha1);
    System.out.println(JSON.toJSONString(row, SerializerFeature.WriteMapNullValue));
  }
}
