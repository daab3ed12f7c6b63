import com.alibaba.fastjson.JSONObject;
import com.alibaba.fastjson.JSONArray;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.compression.CompressorFactory;
import org.apache.rocketmq.common.message.*; // MessageExtBrokerInner lies here since 5 …
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.store.*; // … and here in 4.9

/**
 * Messages as JSON, in and out, with the names that millrace gives to the fields.
 * In: topic, queueId, body (base64), tags, keys, properties, flag, sysFlag, bornTimestamp, bornHost, storeHost, reconsumeTimes,
 * preparedTransactionOffset, compress (ZLIB, LZ4 or ZSTD: the body is compressed and the bits are set).
 * Out: the same but for the body, of which length, CRC and SHA-1 are told, and what the store added; `recordSha1` is of all the record's bytes.
 */
class Messages {
  static MessageExtBrokerInner toPut(JSONObject json) throws Exception {
    MessageExtBrokerInner message = fill(new MessageExtBrokerInner(), json, body(json));
    message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
    message.setTagsCode(MessageExtBrokerInner.tagsString2tagsCode(message.getTags()));
    return message;
  }

  /** One producer's batch: the items' bodies, flags and properties; everything else comes from `common`. */
  static MessageExtBatch toPut(JSONObject common, JSONArray items) throws Exception {
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < items.size(); i++) {
      JSONObject item = items.getJSONObject(i);
      Message message = new Message(common.getString("topic"), body(item));
      message.setFlag(item.getIntValue("flag"));
      MessageAccessor.setProperties(message, properties(item));
      messages.add(message);
    }
    return fill(new MessageExtBatch(), common, MessageDecoder.encodeMessages(messages));
  }

  private static <M extends MessageExt> M fill(M message, JSONObject json, byte[] body) throws Exception {
    int sysFlag = json.getIntValue("sysFlag");
    if (json.containsKey("compress")) {
      CompressionType type = CompressionType.of(json.getString("compress"));
      body = CompressorFactory.getCompressor(type).compress(body, 5);
      sysFlag |= MessageSysFlag.COMPRESSED_FLAG | type.getCompressionFlag();
    }
    message.setTopic(json.getString("topic"));
    message.setQueueId(json.getIntValue("queueId"));
    message.setBody(body);
    message.setFlag(json.getIntValue("flag"));
    message.setSysFlag(sysFlag);
    message.setBornTimestamp(json.getLongValue("bornTimestamp"));
    message.setBornHost(address(json.getString("bornHost")));
    message.setStoreHost(address(json.getString("storeHost")));
    message.setReconsumeTimes(json.getIntValue("reconsumeTimes"));
    message.setPreparedTransactionOffset(json.getLongValue("preparedTransactionOffset"));
    MessageAccessor.setProperties(message, properties(json));
    return message;
  }

  private static byte[] body(JSONObject json) {
    return Base64.getDecoder().decode(json.getString("body"));
  }

  private static Map<String, String> properties(JSONObject json) {
    Map<String, String> properties = new HashMap<>();
    JSONObject given = json.getJSONObject("properties");
    if (given != null) for (String name : given.keySet()) properties.put(name, given.getString(name));
    if (json.containsKey("tags")) properties.put("TAGS", json.getString("tags"));
    if (json.containsKey("keys")) properties.put("KEYS", json.getString("keys"));
    return properties;
  }

  private static InetSocketAddress address(String host) throws Exception {
    int colon = host.lastIndexOf(':');
    String ip = host.substring(0, colon).replace("[", "").replace("]", "");
    return new InetSocketAddress(InetAddress.getByName(ip), Integer.parseInt(host.substring(colon + 1)));
  }

  /** One record, as Java decodes it. */
  static Map<String, Object> row(byte[] record) throws Exception {
    MessageExt message = decode(record);
    byte[] body = message.getBody();
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("topic", message.getTopic());
    row.put("queueId", message.getQueueId());
    row.put("queueOffset", message.getQueueOffset());
    row.put("logOffset", message.getCommitLogOffset());
    row.put("size", message.getStoreSize());
    row.put("flag", message.getFlag());
    row.put("sysFlag", message.getSysFlag());
    row.put("bornTimestamp", message.getBornTimestamp());
    row.put("bornHost", text(message.getBornHost()));
    row.put("storeTimestamp", message.getStoreTimestamp());
    row.put("storeHost", text(message.getStoreHost()));
    row.put("reconsumeTimes", message.getReconsumeTimes());
    row.put("preparedTransactionOffset", message.getPreparedTransactionOffset());
    row.put("bodyCrc", message.getBodyCRC());
    row.put("bodyLength", body.length);
    row.put("bodySha1", sha1(body));
    if ((message.getSysFlag() & MessageSysFlag.COMPRESSED_FLAG) != 0) {
      row.put("plainSha1", sha1(MessageDecoder.decode(ByteBuffer.wrap(record), true, true).getBody()));
    }
    row.put("properties", message.getProperties() == null ? Map.of() : new TreeMap<>(message.getProperties()));
    row.put("messageId", message.getMsgId());
    row.put("recordSha1", sha1(record));
    return row;
  }

  /** Enough of a record to find it by. */
  static Map<String, Object> brief(byte[] record) throws Exception {
    MessageExt message = decode(record);
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("topic", message.getTopic());
    row.put("queueId", message.getQueueId());
    row.put("queueOffset", message.getQueueOffset());
    row.put("logOffset", message.getCommitLogOffset());
    row.put("keys", message.getKeys());
    return row;
  }

  /** The body must have the CRC that the record says, which Java itself does not look at here. */
  private static MessageExt decode(byte[] record) {
    MessageExt message = MessageDecoder.decode(ByteBuffer.wrap(record), true, false);
    if (message.getBody() == null) message.setBody(new byte[0]);
    if (message.getBody().length > 0 && UtilAll.crc32(message.getBody()) != message.getBodyCRC()) {
      throw new IllegalStateException("wrong CRC at log offset " + message.getCommitLogOffset());
    }
    return message;
  }

  private static String text(SocketAddress address) {
    InetSocketAddress host = (InetSocketAddress) address;
    String ip = host.getAddress().getHostAddress();
    return (host.getAddress() instanceof Inet6Address ? "[" + ip + "]" : ip) + ":" + host.getPort();
  }

  private static String sha1(byte[] bytes) throws Exception {
    StringBuilder hex = new StringBuilder();
    for (byte b : MessageDigest.getInstance("SHA-1").digest(bytes)) hex.append(String.format("%02x", b));
    return hex.toString();
  }
}
