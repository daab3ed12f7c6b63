import com.sun.management.OperatingSystemMXBean;
import java.io.File;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.MessageExtBrokerInner;
import org.apache.rocketmq.store.PutMessageStatus;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * RocketMQ's own store, embedded: `work=append` (from so many threads, timed until queues and index have caught up), `work=stream` (the same, and
 * everything on disk), `work=pull` (32 messages a call, no byte touched) or `work=create` (after the warm-up the first message of each of `count` queues
 * of `topics` topics). Arguments key=value: dir, count, warmup, body, keys, threads, flush, warm, topics.
 */
public class StoreBench {
    private static final int QUEUES = 4;
    private static final InetSocketAddress HOST = new InetSocketAddress("127.0.0.1", 10911);

    private final Map<String, String> options = new HashMap<>();
    private final byte[][] bodies = new byte[256][];
    private final boolean keys;
    private final int threads;
    private final int topics;
    private DefaultMessageStore store;

    public static void main(String[] args) {
        int code = 1;
        try {
            new StoreBench(args).run();
            code = 0;
        } catch (Throwable failure) {
            failure.printStackTrace();
        }
        System.out.flush();
        Runtime.getRuntime().halt(code); // the store's threads would live on, and the folder goes anyway
    }

    private StoreBench(String[] args) {
        for (String arg : args) options.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
        keys = number("keys", 0) != 0;
        threads = number("threads", 1);
        topics = number("topics", 1);
        Random random = new Random(1);
        for (int i = 0; i < bodies.length; i++) random.nextBytes(bodies[i] = new byte[number("body", 1024)]);
    }

    private int number(String name, int fallback) {
        return options.containsKey(name) ? Integer.parseInt(options.get(name)) : fallback;
    }

    private void run() throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(options.get("dir"));
        config.setStorePathCommitLog(options.get("dir") + File.separator + "commitlog");
        config.setFlushDiskType("sync".equals(options.get("flush")) ? FlushDiskType.SYNC_FLUSH : FlushDiskType.ASYNC_FLUSH);
        config.setMessageIndexEnable(keys);
        config.setWarmMapedFileEnable(number("warm", 0) != 0);
        config.setHaListenPort(0);
        config.setOsPageCacheBusyTimeOutMills(60_000);
        store = new DefaultMessageStore(config, new BrokerStatsManager("bench", false), (a, b, c, d, e, f, g) -> { }, new BrokerConfig());
        if (!store.load()) throw new IllegalStateException("the store did not load");
        store.start();

        String work = options.getOrDefault("work", "append");
        int warmup = number("warmup", 1_000_000);
        int count = number("count", 4_000_000);
        append(0, warmup, this::message);
        awaitDispatch();
        if (work.equals("pull")) {
            pull();
            return;
        }
        long cpu = cpuNanos();
        long started = System.nanoTime();
        append(warmup, warmup + count, work.equals("create") ? i -> firstOf(i - warmup) : this::message);
        awaitDispatch();
        if (work.equals("stream")) while (store.flush() < store.getMaxPhyOffset()) Thread.onSpinWait();
        print(count, System.nanoTime() - started, cpuNanos() - cpu);
    }

    private void append(int from, int to, IntFunction<MessageExtBrokerInner> message) throws InterruptedException {
        AtomicInteger next = new AtomicInteger(from);
        AtomicInteger refused = new AtomicInteger();
        Thread[] writers = new Thread[threads];
        for (int t = 0; t < threads; t++) {
            writers[t] = new Thread(() -> {
                for (int i; (i = next.getAndIncrement()) < to; ) {
                    if (store.putMessage(message.apply(i)).getPutMessageStatus() != PutMessageStatus.PUT_OK) refused.incrementAndGet();
                }
            });
            writers[t].start();
        }
        for (Thread writer : writers) writer.join();
        if (refused.get() > 0) throw new IllegalStateException(refused + " messages were refused");
    }

    private MessageExtBrokerInner message(int i) {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        message.setTopic("bench");
        message.setQueueId(i % QUEUES);
        message.setBody(bodies[i & 255]);
        message.setTags("tagA");
        message.setTagsCode("tagA".hashCode());
        if (keys) message.setKeys("key" + i);
        message.setBornTimestamp(System.currentTimeMillis());
        message.setBornHost(HOST);
        message.setStoreHost(HOST);
        message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
        return message;
    }

    /** Of a queue of its own. */
    private MessageExtBrokerInner firstOf(int queue) {
        MessageExtBrokerInner message = message(queue);
        message.setTopic(String.format("t%04d", queue % topics));
        message.setQueueId(queue / topics);
        return message;
    }

    private void awaitDispatch() throws InterruptedException {
        while (store.dispatchBehindBytes() > 0) Thread.sleep(1);
    }

    /** Twice unmeasured, then for three seconds. */
    private void pull() {
        readAll();
        readAll();
        long cpu = cpuNanos();
        long started = System.nanoTime();
        long messages = 0;
        while (System.nanoTime() - started < 3_000_000_000L) messages += readAll();
        print(messages, System.nanoTime() - started, cpuNanos() - cpu);
    }

    private long readAll() {
        long messages = 0;
        for (int queueId = 0; queueId < QUEUES; queueId++) {
            long offset = 0;
            long max = store.getMaxOffsetInQueue("bench", queueId);
            while (offset < max) {
                GetMessageResult result = store.getMessage("group", "bench", queueId, offset, 32, null);
                if (result.getMessageCount() == 0) throw new IllegalStateException(result.getStatus() + " at " + offset);
                messages += result.getMessageCount();
                offset = result.getNextBeginOffset();
                result.release();
            }
        }
        return messages;
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private static void print(double messages, long nanos, long cpuNanos) {
        System.out.printf("{\"rate\":%.0f,\"cpuMicroseconds\":%.4f,\"seconds\":%.4f}%n", messages / nanos * 1e9, cpuNanos / 1e3 / messages, nanos / 1e9);
    }
}
