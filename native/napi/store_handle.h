// What an environment holds of an open store. The store itself is counted in a registry of the process: it closes with
// the last environment that closes it, or dies. An environment that dies (a worker terminated, the process exiting)
// lets go in its cleanup hook, so no thread of the store calls into it afterwards.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "../core/store.h"
#include "js.h"

namespace millrace::js {

class StoreHandle {
 public:
  // Finds a registered store and counts this environment. Null when there is no such id.
  static StoreHandle* Attach(napi_env env, uint64_t id, napi_value on_flushed);
  static uint64_t Register(std::shared_ptr<Store> store);
  // Closes a registered store that nobody has taken hold of.
  static void Abandon(uint64_t id);

  // The handle behind a JavaScript value made by Wrap(); null (and an exception) for anything else.
  static StoreHandle* From(napi_env env, napi_value value);
  napi_value Wrap(napi_env env);

  Store& store() const { return *store_; }
  std::shared_ptr<Store> shared() const { return store_; }
  uint64_t id() const { return id_; }
  bool released() const { return released_; }

  // Lets go of the store. True for the last one, who closes it.
  bool Release();

  // Queues by the numbers that TypeScript knows them by.
  std::vector<ConsumeQueue*> queues;
  uint32_t NumberOf(ConsumeQueue* queue);
  std::vector<UnitMismatch> mismatches;  // of the last pull that met any
  UnitWindows unit_windows;
  AppendBuffer append_buffer;

  // Wakes TypeScript once when the log is flushed up to `target` (or the flush failed).
  void WakeWhenFlushed(int64_t target);
  void Hold(bool hold);  // whether waiting keeps the process alive

 private:
  StoreHandle() = default;
  ~StoreHandle() = default;
  static void Cleanup(void* handle);
  static void Finalize(napi_env env, void* handle, void* hint);
  static void CallFlushed(napi_env env, napi_value callback, void* context, void* data);

  napi_env env_ = nullptr;
  uint64_t id_ = 0;
  std::shared_ptr<Store> store_;
  napi_threadsafe_function wake_ = nullptr;
  int listener_ = 0;
  std::atomic<int64_t> waiting_for_{0};  // 0: nobody waits
  bool released_ = false;
  bool wrapped_ = false, cleaned_ = false;
  std::unordered_map<ConsumeQueue*, uint32_t> numbers_;
};

}  // namespace millrace::js
