// The addon: its exports, one environment's data, and the constants that TypeScript compares with its own.
#include "../core/crc32.h"
#include "exports.h"

namespace millrace::js {

// A handle whose environment has let go answers no more calls, though other environments may go on.
StoreHandle* OpenHandle(napi_env env, napi_value value) {
  StoreHandle* handle = StoreHandle::From(env, value);
  if (handle != nullptr && handle->released()) {
    Throw(env, Status::Error(Code::kStoreNotOpen, "the store is closed", handle->store().options().root));
    return nullptr;
  }
  return handle;
}

napi_value RunOnPool(napi_env env, std::shared_ptr<Store> store, std::function<void(PoolWork&)> run,
                     std::function<napi_value(napi_env, PoolWork&)> finish, napi_value keep) {
  auto* work = new PoolWork;
  if (keep != nullptr) napi_create_reference(env, keep, 1, &work->keep);
  work->store = std::move(store);
  work->run = std::move(run);
  work->finish = std::move(finish);
  napi_value promise = nullptr;
  napi_create_promise(env, &work->deferred, &promise);
  napi_create_async_work(
      env, nullptr, String(env, "millrace.work"),
      [](napi_env, void* data) {
        auto* w = static_cast<PoolWork*>(data);
        MappingGuard::PrepareThread();
        w->run(*w);
      },
      [](napi_env e, napi_status, void* data) {
        std::unique_ptr<PoolWork> w(static_cast<PoolWork*>(data));
        napi_delete_async_work(e, w->work);
        if (w->keep != nullptr) napi_delete_reference(e, w->keep);
        napi_value value = w->status.ok() ? w->finish(e, *w) : nullptr;
        if (w->status.ok() && value != nullptr) {
          napi_resolve_deferred(e, w->deferred, value);
        } else {
          napi_reject_deferred(e, w->deferred, MakeError(e, w->status));
        }
      },
      work, &work->work);
  napi_queue_async_work(env, work->work);
  return promise;
}

namespace {

napi_value SetErrorFactory(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (!arguments.Is(0, napi_function)) return ThrowArgument(env, "the error factory is a function");
  Environment* environment = GetEnvironment(env);
  if (environment->error_factory != nullptr) napi_delete_reference(env, environment->error_factory);
  napi_create_reference(env, arguments.at(0), 1, &environment->error_factory);
  return Undefined(env);
}

napi_value Init(napi_env env, napi_value exports) {
  auto* environment = new Environment;
  environment->env = env;
  napi_set_instance_data(
      env, environment,
      [](napi_env, void* data, void*) {
        const std::unique_ptr<Environment> gone(static_cast<Environment*>(data));
        for (const uint64_t id : gone->unclaimed) StoreHandle::Abandon(id);
      },
      nullptr);
  Export(env, exports, "setErrorFactory", SetErrorFactory);
  ExportStatistics(env, exports);
  ExportStore(env, exports);
  ExportAppend(env, exports);
  ExportRead(env, exports);
  ExportPlainRequests(env, exports);
  ExportPlainSockets(env, exports);
  ExportTransfer(env, exports);
  ExportParts(env, exports);
  ExportLayouts(env, exports);
  napi_value codes = nullptr, constants = Object(env);
  napi_create_array(env, &codes);
  for (uint32_t i = 0; i < static_cast<uint32_t>(Code::kCount); i++)
    napi_set_element(env, codes, i, String(env, CodeName(static_cast<Code>(i))));
  Set(env, constants, "codes", codes);
  Set(env, constants, "blockHeadBytes", Number(env, kBlockHeadBytes));
  Set(env, constants, "entryHeadBytes", Number(env, kEntryHeadBytes));
  Set(env, constants, "pullNumbers", Number(env, kPullNumbers));
  Set(env, constants, "unitBytes", Number(env, kUnitBytes));
  Set(env, constants, "recordMagic", Number(env, kRecordMagic));
  Set(env, constants, "blankMagic", Number(env, kBlankMagic));
  Set(env, constants, "crc32Method", String(env, Crc32Method()));
  Set(env, exports, "constants", constants);
  return exports;
}

}  // namespace
}  // namespace millrace::js

NAPI_MODULE_INIT() { return millrace::js::Init(env, exports); }