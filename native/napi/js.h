// Small helpers over N-API: flat values in, values out, errors thrown through the factory that TypeScript handed over.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../core/status.h"

namespace millrace::js {

// What one environment (main thread, worker) has of the addon.
struct Environment {
  napi_env env = nullptr;
  napi_ref error_factory = nullptr;     // (code, message, path, offset, errno) => Error
  std::vector<uint64_t> unclaimed;      // stores that open() has made and attach() has not taken hold of
  std::shared_ptr<void> transfers;      // transfer.cc's
  std::shared_ptr<void> plain_sockets;  // plain_sockets.cc's
};
Environment* GetEnvironment(napi_env env);

// Makes our error for a status; a plain Error with a `code` before setErrorFactory was called.
napi_value MakeError(napi_env env, const Status& status);
// Throws it. Returns null, so that a callback can end with `return Throw(...)`.
napi_value Throw(napi_env env, const Status& status);
napi_value ThrowArgument(napi_env env, const char* what);

inline napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}
inline napi_value Number(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}
inline napi_value Boolean(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}
inline napi_value String(napi_env env, std::string_view text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}
inline napi_value Object(napi_env env) {
  napi_value value = nullptr;
  napi_create_object(env, &value);
  return value;
}
// A Buffer that is a copy.
inline napi_value Copy(napi_env env, const void* data, size_t bytes) {
  napi_value buffer = nullptr;
  napi_create_buffer_copy(env, bytes, data, nullptr, &buffer);
  return buffer;
}
// An array of numbers.
napi_value Numbers(napi_env env, const std::vector<int64_t>& numbers);
inline void Set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

// False for what is no string.
bool ReadString(napi_env env, napi_value value, std::string* out);

// Arguments of a callback. A getter that meets another type returns false.
class Arguments {
 public:
  static constexpr size_t kMax = 10;
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    napi_get_cb_info(env, info, &count_, values_, nullptr, &data_);
  }
  napi_env env() const { return env_; }
  void* data() const { return data_; }
  size_t count() const { return count_ < kMax ? count_ : kMax; }
  napi_value at(size_t i) const { return values_[i]; }
  bool Is(size_t i, napi_valuetype type) const;
  bool Number(size_t i, double* out) const;
  bool Integer(size_t i, int64_t* out) const;  // a safe integer
  bool Boolean(size_t i, bool* out) const;
  bool String(size_t i, std::string* out) const;
  bool Bytes(size_t i, uint8_t** data, size_t* bytes) const;  // any typed array; false when detached
  // A property of an options object; missing or undefined leaves *out as it is.
  bool Option(size_t i, const char* name, int64_t* out) const;
  bool Option(size_t i, const char* name, int32_t* out) const;
  bool Option(size_t i, const char* name, bool* out) const;
  bool Option(size_t i, const char* name, std::string* out) const;
  bool OptionStrings(size_t i, const char* name, std::vector<std::string>* out) const;
  bool OptionArray(size_t i, const char* name, std::vector<int64_t>* out) const;

 private:
  bool Property(size_t i, const char* name, napi_value* out, napi_valuetype* type) const;
  napi_env env_;
  size_t count_ = kMax;
  napi_value values_[kMax] = {};
  void* data_ = nullptr;
};

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback);

}  // namespace millrace::js
