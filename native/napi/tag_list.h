// Tags as pulls compare them, behind a value of JavaScript's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "js.h"

namespace millrace::js {

struct TagList {
  std::vector<std::string> tags;
  std::vector<int32_t> hashes;
};
constexpr napi_type_tag kTagListTag = {0x6d696c6c72616365, 0x7461677300000002};

// Null for any other value.
inline const TagList* TagListOf(napi_env env, napi_value value) {
  bool ours = false;
  void* list = nullptr;
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external ||
      napi_check_object_type_tag(env, value, &kTagListTag, &ours) != napi_ok || !ours)
    return nullptr;
  napi_get_value_external(env, value, &list);
  return static_cast<const TagList*>(list);
}

}  // namespace millrace::js
