#include "store_handle.h"

#include <map>

namespace millrace::js {

namespace {

struct Registered {
  std::shared_ptr<Store> store;
  int users = 0;
};

std::mutex registry_mutex;
std::map<uint64_t, Registered>& Registry() {
  static auto* const registry = new std::map<uint64_t, Registered>;  // outlives every environment
  return *registry;
}
uint64_t next_id = 1;

constexpr napi_type_tag kTag = {0x6d696c6c72616365, 0x73746f7265000001};

}  // namespace

uint64_t StoreHandle::Register(std::shared_ptr<Store> store) {
  std::lock_guard lock(registry_mutex);
  const uint64_t id = next_id++;
  Registry()[id] = {std::move(store), 0};
  return id;
}

void StoreHandle::Abandon(uint64_t id) {
  std::shared_ptr<Store> store;
  {
    std::lock_guard lock(registry_mutex);
    const auto found = Registry().find(id);
    if (found == Registry().end() || found->second.users > 0) return;
    store = std::move(found->second.store);
    Registry().erase(found);
  }
  (void)store->Close();
}

StoreHandle* StoreHandle::Attach(napi_env env, uint64_t id, napi_value on_flushed) {
  auto* handle = new StoreHandle;
  {
    std::lock_guard lock(registry_mutex);
    const auto found = Registry().find(id);
    if (found == Registry().end()) {
      delete handle;
      return nullptr;
    }
    found->second.users++;
    handle->store_ = found->second.store;
  }
  handle->env_ = env;
  handle->id_ = id;
  napi_create_threadsafe_function(env, on_flushed, nullptr, String(env, "millrace.flushed"), 0, 1, nullptr, nullptr,
                                  handle, CallFlushed, &handle->wake_);
  napi_unref_threadsafe_function(env, handle->wake_);
  handle->listener_ = handle->store_->flusher().AddListener([handle] {
    const int64_t target = handle->waiting_for_.load(std::memory_order_acquire);
    if (target == 0) return;
    Flusher& flusher = handle->store_->flusher();
    // Once a target: the next one is set by TypeScript after it has settled what this wake-up covers.
    if (flusher.flushed() < target && !flusher.failed()) return;
    if (handle->waiting_for_.exchange(0) != 0)
      napi_call_threadsafe_function(handle->wake_, nullptr, napi_tsfn_nonblocking);
  });
  napi_add_env_cleanup_hook(env, Cleanup, handle);
  return handle;
}

napi_value StoreHandle::Wrap(napi_env env) {
  napi_value object = Object(env);
  napi_type_tag_object(env, object, &kTag);
  napi_wrap(env, object, this, Finalize, nullptr, nullptr);
  wrapped_ = true;
  return object;
}

StoreHandle* StoreHandle::From(napi_env env, napi_value value) {
  bool ours = false;
  void* handle = nullptr;
  napi_valuetype type = napi_undefined;
  if (value != nullptr && napi_typeof(env, value, &type) == napi_ok && type == napi_object &&
      napi_check_object_type_tag(env, value, &kTag, &ours) == napi_ok && ours &&
      napi_unwrap(env, value, &handle) == napi_ok && handle != nullptr)
    return static_cast<StoreHandle*>(handle);
  ThrowArgument(env, "the first argument is no store of this addon");
  return nullptr;
}

void StoreHandle::CallFlushed(napi_env env, napi_value callback, void* context, void*) {
  if (env == nullptr || callback == nullptr) return;  // the environment is going
  auto* handle = static_cast<StoreHandle*>(context);
  Flusher& flusher = handle->store_->flusher();
  napi_value arguments[] = {Number(env, static_cast<double>(flusher.flushed())),
                            flusher.failed() ? MakeError(env, flusher.failure()) : Undefined(env)};
  napi_call_function(env, Undefined(env), callback, 2, arguments, nullptr);
}

void StoreHandle::WakeWhenFlushed(int64_t target) {
  waiting_for_.store(target, std::memory_order_release);
  Flusher& flusher = store_->flusher();
  if (flusher.flushed() >= target || flusher.failed()) {
    if (waiting_for_.exchange(0) != 0) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
    return;
  }
  flusher.Request(target);
}

uint32_t StoreHandle::NumberOf(ConsumeQueue* queue) {
  const auto [found, added] = numbers_.try_emplace(queue, static_cast<uint32_t>(queues.size()));
  if (added) queues.push_back(queue);
  return found->second;
}

void StoreHandle::Hold(bool hold) {
  if (wake_ == nullptr) return;
  if (hold) {
    napi_ref_threadsafe_function(env_, wake_);
  } else {
    napi_unref_threadsafe_function(env_, wake_);
  }
}

bool StoreHandle::Release() {
  if (released_) return false;
  released_ = true;
  store_->flusher().RemoveListener(listener_);
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  wake_ = nullptr;
  std::lock_guard lock(registry_mutex);
  const auto found = Registry().find(id_);
  if (found == Registry().end() || --found->second.users > 0) return false;
  Registry().erase(found);
  return true;
}

// The environment goes: a store that was open is closed properly, which joins its threads.
void StoreHandle::Cleanup(void* data) {
  auto* handle = static_cast<StoreHandle*>(data);
  handle->cleaned_ = true;
  if (handle->Release()) (void)handle->store_->Close();
  if (!handle->wrapped_) delete handle;
}

void StoreHandle::Finalize(napi_env env, void* data, void*) {
  auto* handle = static_cast<StoreHandle*>(data);
  if (!handle->cleaned_) {
    napi_remove_env_cleanup_hook(env, Cleanup, handle);
    // Collected without a close: the store itself stays whole.
    if (handle->Release()) (void)handle->store_->Close();
  }
  delete handle;
}

}  // namespace millrace::js
