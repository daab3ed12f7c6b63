import com.alibaba.fastjson.JSONObject;
import java.io.File;
import java.io.RandomAccessFile;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.MessageArrivingListener;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/** Makes and drops a DefaultMessageStore over a directory, of whichever release is on the class path. */
class Stores {
  /** A store that is neither loaded nor started. Settings are MessageStoreConfig's names; ports are the kernel's choice. */
  static DefaultMessageStore make(String dir, JSONObject settings) throws Exception {
    Properties properties = new Properties();
    if (settings != null) for (Map.Entry<String, Object> setting : settings.entrySet()) properties.setProperty(setting.getKey(), String.valueOf(setting.getValue()));
    MessageStoreConfig config = new MessageStoreConfig();
    MixAll.properties2Object(properties, config);
    config.setStorePathRootDir(dir);
    if (settings == null || !settings.containsKey("storePathCommitLog")) config.setStorePathCommitLog(dir + File.separator + "commitlog");
    config.setHaListenPort(0);
    MessageArrivingListener nobodyWaits = (topic, queueId, offset, tagsCode, storeTime, bitMap, properties2) -> { };
    List<Object> arguments = new ArrayList<>(List.of(config, new BrokerStatsManager("peer", false), nobodyWaits, new BrokerConfig()));
    Constructor<?> constructor = DefaultMessageStore.class.getConstructors()[0];
    if (constructor.getParameterCount() > arguments.size()) arguments.add(new ConcurrentHashMap<>()); // topics, since 5
    return (DefaultMessageStore) constructor.newInstance(arguments.toArray());
  }

  /** Lets go of a store that was never started: a shutdown would do nothing to it, and would leave its lock file open. */
  static void abandon(DefaultMessageStore store) throws Exception {
    store.getAllocateMappedFileService().shutdown();
    Field lockFile = DefaultMessageStore.class.getDeclaredField("lockFile");
    lockFile.setAccessible(true);
    ((RandomAccessFile) lockFile.get(store)).close();
  }

  static boolean isRelease5() {
    return DefaultMessageStore.class.getConstructors()[0].getParameterCount() > 4;
  }
}
