// The core's hashes and checksums, for the test that holds them against src/format, and for tools.
#include "../core/crc32.h"
#include "exports.h"

namespace millrace::js {
namespace {

napi_value Crc(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  uint8_t* data = nullptr;
  size_t bytes = 0;
  bool table = false;
  if (!arguments.Bytes(0, &data, &bytes)) return ThrowArgument(env, "crc32 takes bytes");
  if (arguments.count() > 1 && !arguments.Boolean(1, &table))
    return ThrowArgument(env, "crc32's second argument is a boolean");
  return Number(env, table ? Crc32Table(data, bytes) : Crc32(data, bytes));
}

napi_value TagHash(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  std::string text;
  if (!arguments.String(0, &text)) return ThrowArgument(env, "a tag is a string");
  return Number(env, JavaHash(text));
}

napi_value IndexHash(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  std::string topic, key;
  if (!arguments.String(0, &topic) || !arguments.String(1, &key))
    return ThrowArgument(env, "a key is a topic and a string");
  return Number(env, IndexKeyHash(topic, key));
}

}  // namespace

void ExportLayouts(napi_env env, napi_value exports) {
  Export(env, exports, "crc32", Crc);
  Export(env, exports, "tagHash", TagHash);
  Export(env, exports, "indexHash", IndexHash);
}

}  // namespace millrace::js
