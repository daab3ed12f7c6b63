import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONObject;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** A program under remote control: one JSON request a line on standard input, one JSON answer a line on standard output, {"answer": …} or {"error": text}. */
class Lines {
  interface Requests {
    Object carryOut(JSONObject request) throws Exception;
  }

  private static final PrintStream ANSWERS = System.out;

  /** Answers requests until there are no more; then the process ends, whatever threads it has. */
  static void serve(Requests requests) throws Exception {
    System.setOut(System.err); // whatever else prints must not stand between the answers
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      try {
        answer("answer", requests.carryOut(JSON.parseObject(line)));
      } catch (Throwable e) {
        e.printStackTrace();
        answer("error", e.toString());
      }
    }
    Runtime.getRuntime().halt(0);
  }

  static void answer(String kind, Object value) {
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put(kind, value);
    byte[] line = JSON.toJSONBytes(answer, SerializerFeature.DisableCircularReferenceDetect, SerializerFeature.WriteMapNullValue);
    ANSWERS.write(line, 0, line.length);
    ANSWERS.write('\n');
    ANSWERS.flush();
  }
}
