#include "js.h"

#include <cmath>

namespace millrace::js {

Environment* GetEnvironment(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

napi_value MakeError(napi_env env, const Status& status) {
  Environment* environment = GetEnvironment(env);
  if (environment != nullptr && environment->error_factory != nullptr) {
    napi_value factory = nullptr, result = nullptr;
    napi_get_reference_value(env, environment->error_factory, &factory);
    napi_value arguments[] = {String(env, CodeName(status.code)), String(env, status.message()),
                              status.path().empty() ? Undefined(env) : String(env, status.path()),
                              status.offset() < 0 ? Undefined(env) : Number(env, static_cast<double>(status.offset())),
                              status.error_number() == 0 ? Undefined(env) : Number(env, status.error_number())};
    if (napi_call_function(env, Undefined(env), factory, 5, arguments, &result) == napi_ok && result != nullptr)
      return result;
    napi_value pending = nullptr;
    napi_get_and_clear_last_exception(env, &pending);
  }
  napi_value error = nullptr;
  napi_create_error(env, String(env, CodeName(status.code)), String(env, status.message()), &error);
  return error;
}

napi_value Throw(napi_env env, const Status& status) {
  napi_throw(env, MakeError(env, status));
  return nullptr;
}

napi_value ThrowArgument(napi_env env, const char* what) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) Throw(env, Status::Error(Code::kInvalidArgument, what));
  return nullptr;
}

napi_value Numbers(napi_env env, const std::vector<int64_t>& numbers) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, numbers.size(), &array);
  for (uint32_t i = 0; i < numbers.size(); i++)
    napi_set_element(env, array, i, Number(env, static_cast<double>(numbers[i])));
  return array;
}

bool ReadString(napi_env env, napi_value value, std::string* out) {
  size_t bytes = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &bytes) != napi_ok) return false;
  out->resize(bytes);
  return napi_get_value_string_utf8(env, value, out->data(), bytes + 1, &bytes) == napi_ok;
}

bool Arguments::Is(size_t i, napi_valuetype type) const {
  napi_valuetype is = napi_undefined;
  return i < count() && napi_typeof(env_, values_[i], &is) == napi_ok && is == type;
}

bool Arguments::Number(size_t i, double* out) const {
  return i < count() && napi_get_value_double(env_, values_[i], out) == napi_ok;
}

bool Arguments::Integer(size_t i, int64_t* out) const {
  double number = 0;
  if (!Number(i, &number) || !(std::fabs(number) <= 9007199254740991.0) || number != std::floor(number)) return false;
  *out = static_cast<int64_t>(number);
  return true;
}

bool Arguments::Boolean(size_t i, bool* out) const {
  return i < count() && napi_get_value_bool(env_, values_[i], out) == napi_ok;
}

bool Arguments::String(size_t i, std::string* out) const { return i < count() && ReadString(env_, values_[i], out); }

bool Arguments::Bytes(size_t i, uint8_t** data, size_t* bytes) const {
  bool is = false;
  if (i >= count() || napi_is_typedarray(env_, values_[i], &is) != napi_ok || !is) return false;
  napi_typedarray_type type;
  size_t length = 0, offset = 0;
  void* start = nullptr;
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env_, values_[i], &type, &length, &start, &buffer, &offset) != napi_ok) return false;
  const size_t size = type == napi_float64_array || type == napi_bigint64_array || type == napi_biguint64_array ? 8
                      : type == napi_int32_array || type == napi_uint32_array || type == napi_float32_array     ? 4
                      : type == napi_int16_array || type == napi_uint16_array                                   ? 2
                                                                                                                : 1;
  *data = static_cast<uint8_t*>(start);
  *bytes = length * size;
  return true;
}

bool Arguments::Property(size_t i, const char* name, napi_value* out, napi_valuetype* type) const {
  return i < count() && napi_get_named_property(env_, values_[i], name, out) == napi_ok &&
         napi_typeof(env_, *out, type) == napi_ok;
}

bool Arguments::Option(size_t i, const char* name, int64_t* out) const {
  napi_value value;
  napi_valuetype type;
  if (!Property(i, name, &value, &type)) return false;
  if (type == napi_undefined) return true;
  double number = 0;
  if (type != napi_number || napi_get_value_double(env_, value, &number) != napi_ok ||
      !(std::fabs(number) <= 9007199254740991.0))
    return false;
  *out = static_cast<int64_t>(number);
  return true;
}

bool Arguments::Option(size_t i, const char* name, int32_t* out) const {
  int64_t wide = *out;
  if (!Option(i, name, &wide) || wide < INT32_MIN || wide > INT32_MAX) return false;
  *out = static_cast<int32_t>(wide);
  return true;
}

bool Arguments::Option(size_t i, const char* name, bool* out) const {
  napi_value value;
  napi_valuetype type;
  if (!Property(i, name, &value, &type)) return false;
  return type == napi_undefined || (type == napi_boolean && napi_get_value_bool(env_, value, out) == napi_ok);
}

bool Arguments::Option(size_t i, const char* name, std::string* out) const {
  napi_value value;
  napi_valuetype type;
  if (!Property(i, name, &value, &type)) return false;
  return type == napi_undefined || ReadString(env_, value, out);
}

bool Arguments::OptionArray(size_t i, const char* name, std::vector<int64_t>* out) const {
  napi_value value;
  napi_valuetype type;
  if (!Property(i, name, &value, &type)) return false;
  if (type == napi_undefined) return true;
  uint32_t length = 0;
  if (napi_get_array_length(env_, value, &length) != napi_ok) return false;
  for (uint32_t n = 0; n < length; n++) {
    napi_value item;
    double number = 0;
    if (napi_get_element(env_, value, n, &item) != napi_ok || napi_get_value_double(env_, item, &number) != napi_ok)
      return false;
    out->push_back(static_cast<int64_t>(number));
  }
  return true;
}

bool Arguments::OptionStrings(size_t i, const char* name, std::vector<std::string>* out) const {
  napi_value value;
  napi_valuetype type;
  if (!Property(i, name, &value, &type)) return false;
  if (type == napi_undefined) return true;
  uint32_t length = 0;
  if (napi_get_array_length(env_, value, &length) != napi_ok) return false;
  for (uint32_t n = 0; n < length; n++) {
    napi_value item;
    std::string text;
    if (napi_get_element(env_, value, n, &item) != napi_ok || !ReadString(env_, item, &text)) return false;
    out->push_back(std::move(text));
  }
  return true;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  Set(env, exports, name, function);
}

}  // namespace millrace::js
