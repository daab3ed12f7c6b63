import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A broker's clients: `mode=send` (threads=, one after another, or with window= so many in flight each, or batch= messages a send; pace= messages a second
 * over all threads, open loop), `mode=consume` (all count= messages of the topic, by a new group each time) or `mode=both` (sent and consumed, the latency from
 * the beginning of the send to the listener). namesrv=, body=, warm= and seconds=; pid= is the broker's process. Prints one JSON object.
 */
public class BrokerLoad {
    private static final String TOPIC = "bench";
    private static final int SLOWEST = 1_000_000;

    private final Map<String, String> options = new HashMap<>();
    private final byte[][] bodies = new byte[256][];
    private final int threads;
    private final int window;
    private final int batch;
    private final boolean endToEnd;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger failed = new AtomicInteger();
    private final AtomicLong sent = new AtomicLong();
    private final AtomicLong received = new AtomicLong();
    private final AtomicIntegerArray latencies = new AtomicIntegerArray(SLOWEST + 1);
    private volatile boolean timed;
    private volatile boolean over;

    public static void main(String[] args) {
        int code = 1;
        try {
            new BrokerLoad(args).run();
            code = 0;
        } catch (Throwable failure) {
            failure.printStackTrace();
        }
        System.out.flush();
        Runtime.getRuntime().halt(code); // the clients' threads would live on
    }

    private BrokerLoad(String[] args) {
        for (String arg : args) options.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
        threads = (int) number("threads", 1);
        window = (int) number("window", 0);
        batch = (int) number("batch", 1);
        endToEnd = "both".equals(options.get("mode"));
        Random random = new Random(1);
        for (int i = 0; i < bodies.length; i++) random.nextBytes(bodies[i] = new byte[(int) number("body", 1024)]);
    }

    private double number(String name, double fallback) {
        return options.containsKey(name) ? Double.parseDouble(options.get(name)) : fallback;
    }

    private void run() throws Exception {
        if ("consume".equals(options.get("mode"))) {
            consumeAll();
            return;
        }
        DefaultMQProducer producer = new DefaultMQProducer("p_bench");
        producer.setNamesrvAddr(options.get("namesrv"));
        producer.setSendMsgTimeout(10_000);
        producer.setRetryTimesWhenSendFailed(0);
        producer.setRetryTimesWhenSendAsyncFailed(0);
        producer.start();
        producer.send(message()); // the topic is there for the consumer
        if (endToEnd) {
            consumer("g_bench", messages -> {
                if (!timed) return;
                long now = System.nanoTime();
                received.addAndGet(messages.size());
                for (MessageExt message : messages) count(now - ByteBuffer.wrap(message.getBody()).getLong());
            });
        }
        List<Thread> senders = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            int number = t;
            senders.add(new Thread(() -> send(producer, number)));
        }
        for (Thread sender : senders) sender.start();
        TimeUnit.MILLISECONDS.sleep((long) (1000 * number("warm", 10)));
        long cpu = brokerCpuMicros();
        long own = cpuMicros("self");
        long started = System.nanoTime();
        timed = true;
        TimeUnit.MILLISECONDS.sleep((long) (1000 * number("seconds", 10)));
        timed = false;
        long nanos = System.nanoTime() - started;
        long messages = endToEnd ? received.get() : sent.get();
        print(messages, nanos, brokerCpuMicros() - cpu, cpuMicros("self") - own);
        over = true;
        for (Thread sender : senders) sender.join(5000);
    }

    // Sending

    private void send(DefaultMQProducer producer, int number) {
        double pace = number("pace", 0);
        long interval = pace > 0 ? (long) (1e9 * threads / pace) : 0;
        long due = System.nanoTime() + interval * number / threads;
        boolean anew = false;
        Semaphore room = new Semaphore(Math.max(1, window));
        while (!over) {
            try {
                if (window > 0) {
                    room.acquire();
                    sendAndGoOn(producer, room);
                    continue;
                }
                for (long left; interval > 0 && (left = due - System.nanoTime()) > 0; ) LockSupport.parkNanos(left);
                if (interval > 0 && timed && !anew) {
                    anew = true; // what the warm-up has put off is not the timed part's
                    due = Math.max(due, System.nanoTime());
                }
                long begun = interval > 0 ? due : System.nanoTime();
                due += interval;
                done(batch > 1 ? producer.send(messages()) : producer.send(message()), begun);
            } catch (Exception failure) {
                fail(failure);
            }
        }
    }

    private void sendAndGoOn(DefaultMQProducer producer, Semaphore room) throws Exception {
        long begun = System.nanoTime();
        producer.send(message(), new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
                room.release();
                done(result, begun);
            }

            @Override
            public void onException(Throwable failure) {
                room.release();
                fail(failure);
            }
        });
    }

    private void done(SendResult result, long begun) {
        if (result.getSendStatus() != SendStatus.SEND_OK) fail(new IllegalStateException(result.toString()));
        if (!timed) return;
        sent.addAndGet(batch);
        if (!endToEnd) count(System.nanoTime() - begun);
    }

    private void fail(Throwable failure) {
        if (!over && failed.incrementAndGet() <= 3) System.err.println(failure);
    }

    private Message message() {
        byte[] body = bodies[next.getAndIncrement() & 255];
        if (endToEnd) ByteBuffer.wrap(body = body.clone()).putLong(System.nanoTime());
        return new Message(TOPIC, "tagA", body);
    }

    private List<Message> messages() {
        List<Message> messages = new ArrayList<>(batch);
        for (int i = 0; i < batch; i++) messages.add(message());
        return messages;
    }

    // Consuming

    private DefaultMQPushConsumer consumer(String group, Consumer<List<MessageExt>> take) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(options.get("namesrv"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        consumer.setConsumeMessageBatchMaxSize(32);
        consumer.setPullThresholdForQueue(10_000); // not stopped before the broker is
        consumer.subscribe(TOPIC, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            take.accept(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return consumer;
    }

    /** Again and again: unmeasured while it warms up, then until the time is over. Time runs from the first message to the last. */
    private void consumeAll() throws Exception {
        long count = (long) number("count", 0);
        long started = System.nanoTime();
        long messages = 0;
        long nanos = 0;
        long cpu = 0;
        long own = 0;
        for (int pass = 0; nanos < 1e9 * number("seconds", 10); pass++) {
            AtomicLong left = new AtomicLong(count);
            AtomicLong first = new AtomicLong();
            long[] before = new long[3];
            CountDownLatch all = new CountDownLatch(1);
            DefaultMQPushConsumer consumer = consumer("g_bench" + pass, some -> {
                if (first.compareAndSet(0, some.size())) {
                    before[1] = brokerCpuMicros();
                    before[2] = cpuMicros("self");
                    before[0] = System.nanoTime();
                }
                if (left.addAndGet(-some.size()) <= 0) all.countDown();
            });
            if (!all.await(300, TimeUnit.SECONDS)) throw new IllegalStateException(left + " messages did not come");
            long now = System.nanoTime();
            if (now - started > 1e9 * number("warm", 10) && pass > 0) {
                messages += count - first.get();
                nanos += now - before[0];
                cpu += brokerCpuMicros() - before[1];
                own += cpuMicros("self") - before[2];
            }
            consumer.shutdown();
        }
        print(messages, nanos, cpu, own);
    }

    // What is measured

    private void count(long nanos) {
        latencies.incrementAndGet((int) Math.min(SLOWEST, Math.max(0, nanos / 1000)));
    }

    /** Until which a share of them lie. */
    private int latency(double share, long total) {
        if (total == 0) return 0;
        long before = (long) (share * (total - 1));
        long seen = 0;
        for (int i = 0; i < SLOWEST; i++) if ((seen += latencies.get(i)) > before) return i;
        return SLOWEST;
    }

    private long brokerCpuMicros() {
        return cpuMicros(options.get("pid"));
    }

    /** User and system time of a process. */
    private static long cpuMicros(String process) {
        try {
            String stat = Files.readString(Path.of("/proc", process, "stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return 10_000 * (Long.parseLong(fields[11]) + Long.parseLong(fields[12])); // ticks of a hundredth of a second
        } catch (java.io.IOException failure) {
            throw new java.io.UncheckedIOException(failure);
        }
    }

    /** What lies in no file, page tables included. */
    private long brokerMemory() throws java.io.IOException {
        long kilobytes = 0;
        for (String line : Files.readAllLines(Path.of("/proc", options.get("pid"), "status")))
            if (line.startsWith("RssAnon:") || line.startsWith("VmPTE:")) kilobytes += Long.parseLong(line.replaceAll("\\D", ""));
        return kilobytes * 1024;
    }

    private void print(long messages, long nanos, long cpu, long own) throws java.io.IOException {
        long total = 0;
        long under = 0;
        for (int i = 0; i <= SLOWEST; i++) total += latencies.get(i);
        for (int i = 0; i < 1000; i++) under += latencies.get(i);
        double most = Math.max(1, messages);
        System.out.printf(
            "{\"count\":%d,\"rate\":%.0f,\"cpuMicroseconds\":%.4f,\"loadCpuMicroseconds\":%.4f,\"seconds\":%.4f,\"failed\":%d,\"bytes\":%d,"
                + "\"p50\":%d,\"p99\":%d,\"p999\":%d,\"max\":%d,\"shareUnder1ms\":%.6f,\"sent\":%d}%n",
            messages, messages / (nanos / 1e9), cpu / most, own / most, nanos / 1e9, failed.get(), brokerMemory(),
            latency(0.5, total), latency(0.99, total), latency(0.999, total), latency(1, total), total == 0 ? 0 : (double) under / total, sent.get());
    }
}
