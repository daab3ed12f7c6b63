// Opening a store, taking hold of it, letting go, and what is known of it.
#include "exports.h"

namespace millrace::js {
namespace {

struct OpenWork {
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  napi_threadsafe_function progress = nullptr;
  StoreOptions options;
  std::shared_ptr<FileSystem> faults;
  Status status;
  std::shared_ptr<Store> store;
};

bool ReadHost(const Arguments& arguments, size_t i, const char* name, Host* host) {
  // "hex:port", as TypeScript has checked and taken apart the address already.
  std::string text;
  if (!arguments.Option(i, name, &text)) return false;
  const size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return false;
  for (size_t n = 0; n < colon / 2; n++)
    host->address[n] = static_cast<uint8_t>(strtoul(text.substr(2 * n, 2).c_str(), nullptr, 16));
  host->address_bytes = static_cast<uint8_t>(colon / 2);
  host->port = static_cast<int32_t>(strtol(text.c_str() + colon + 1, nullptr, 10));
  return true;
}

bool ReadRetention(const Arguments& arguments, RetentionRules* rules) {
  int32_t max_used = 75, clean_forcibly_above = 85, refuse_above = 90;
  const bool read =
      arguments.Option(0, "deleteByAge", &rules->by_age) &&
      arguments.Option(0, "deleteByDiskUse", &rules->by_disk_use) &&
      arguments.Option(0, "maxLogBytes", &rules->max_bytes) && arguments.Option(0, "reservedMs", &rules->reserved_ms) &&
      arguments.OptionArray(0, "deleteHours", &rules->hours) && arguments.Option(0, "maxUsedPercent", &max_used) &&
      arguments.Option(0, "cleanForciblyPercent", &clean_forcibly_above) &&
      arguments.Option(0, "refusePercent", &refuse_above) &&
      arguments.Option(0, "mayCleanForcibly", &rules->may_clean_forcibly) &&
      arguments.Option(0, "cleanIntervalMs", &rules->interval_ms) && arguments.Option(0, "holdMs", &rules->hold_ms);
  rules->max_used = max_used / 100.0;
  rules->clean_forcibly_above = clean_forcibly_above / 100.0;
  rules->refuse_above = refuse_above / 100.0;
  return read;
}

napi_value ReportValue(napi_env env, const RecoveryReport& report) {
  napi_value value = Object(env);
  Set(env, value, "cleanBefore", Boolean(env, report.clean_before));
  Set(env, value, "scannedFrom", Number(env, static_cast<double>(report.scanned_from)));
  Set(env, value, "scannedBytes", Number(env, static_cast<double>(report.scanned_bytes)));
  Set(env, value, "records", Number(env, static_cast<double>(report.records)));
  Set(env, value, "milliseconds", Number(env, static_cast<double>(report.milliseconds)));
  if (report.torn_offset >= 0) {
    napi_value torn = Object(env);
    Set(env, torn, "logOffset", Number(env, static_cast<double>(report.torn_offset)));
    Set(env, torn, "segment", String(env, report.torn_segment));
    Set(env, torn, "bytes", Number(env, static_cast<double>(report.torn_bytes)));
    Set(env, torn, "reason", String(env, report.torn_reason));
    Set(env, torn, "corrupt", Boolean(env, report.corrupt));
    Set(env, value, "torn", torn);
  }
  napi_value rebuilt = nullptr, leftovers = nullptr;
  napi_create_array(env, &rebuilt);
  for (uint32_t i = 0; i < report.rebuilt_queues.size(); i++) {
    napi_value row = Object(env);
    Set(env, row, "topic", String(env, report.rebuilt_queues[i].topic));
    Set(env, row, "queueId", Number(env, report.rebuilt_queues[i].queue_id));
    Set(env, row, "reason", String(env, report.rebuilt_queues[i].reason));
    napi_set_element(env, rebuilt, i, row);
  }
  Set(env, value, "rebuiltQueues", rebuilt);
  Set(env, value, "rebuiltIndex", Boolean(env, report.index_rebuilt));
  Set(env, value, "rebuiltIndexEntries", Number(env, static_cast<double>(report.index_entries)));
  napi_create_array(env, &leftovers);
  for (uint32_t i = 0; i < report.leftovers.size(); i++)
    napi_set_element(env, leftovers, i, String(env, report.leftovers[i]));
  Set(env, value, "removedLeftovers", leftovers);
  return value;
}

void RunOpen(napi_env, void* data) {  // libuv's pool
  auto* work = static_cast<OpenWork*>(data);
  FileSystem* files = work->faults ? work->faults.get() : PosixFileSystem();
  if (work->progress != nullptr)
    work->options.on_progress = [work](int64_t done, int64_t total) {
      napi_call_threadsafe_function(work->progress, new std::pair<int64_t, int64_t>(done, total),
                                    napi_tsfn_nonblocking);
    };
  work->status = Store::Open(files, work->options, &work->store);
}

void CallProgress(napi_env env, napi_value callback, void*, void* data) {
  std::unique_ptr<std::pair<int64_t, int64_t>> progress(static_cast<std::pair<int64_t, int64_t>*>(data));
  if (env == nullptr || callback == nullptr) return;
  napi_value arguments[] = {Number(env, static_cast<double>(progress->first)),
                            Number(env, static_cast<double>(progress->second))};
  napi_call_function(env, Undefined(env), callback, 2, arguments, nullptr);
}

void FinishOpen(napi_env env, napi_status, void* data) {
  std::unique_ptr<OpenWork> work(static_cast<OpenWork*>(data));
  if (work->progress != nullptr) napi_release_threadsafe_function(work->progress, napi_tsfn_release);
  napi_delete_async_work(env, work->work);
  if (work->status.ok()) {
    if (work->faults) work->store->KeepAlive(std::move(work->faults));
    const uint64_t id = StoreHandle::Register(std::move(work->store));
    GetEnvironment(env)->unclaimed.push_back(id);  // an environment that ends here must not leave the store open
    napi_resolve_deferred(env, work->deferred, Number(env, static_cast<double>(id)));
  } else {
    napi_reject_deferred(env, work->deferred, MakeError(env, work->status));
  }
}

// open(options, onProgress?) → Promise<id>; attach(id, …) then takes hold of it.
napi_value OpenStore(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto work = std::make_unique<OpenWork>();
  StoreOptions& o = work->options;
  int32_t on_corruption = 0;
  std::string faults;
  const bool read =
      arguments.Option(0, "root", &o.root) && arguments.OptionStrings(0, "logDirectories", &o.log_directories) &&
      arguments.OptionStrings(0, "readOnlyLogDirectories", &o.read_only_log_directories) &&
      arguments.Option(0, "segmentBytes", &o.segment_bytes) &&
      arguments.Option(0, "queueFileBytes", &o.queue_file_bytes) && arguments.Option(0, "indexSlots", &o.index_slots) &&
      arguments.Option(0, "indexEntries", &o.index_entries) && arguments.Option(0, "indexEnabled", &o.index_enabled) &&
      arguments.Option(0, "rebuildIndex", &o.rebuild_index) && arguments.Option(0, "aside", &o.aside) &&
      arguments.Option(0, "readOnly", &o.read_only) && arguments.Option(0, "onCorruption", &on_corruption) &&
      arguments.Option(0, "synchronousFlush", &o.synchronous_flush) &&
      arguments.Option(0, "visibleWhenDurable", &o.visible_when_durable) &&
      arguments.Option(0, "multiDispatch", &o.multi_dispatch) && arguments.Option(0, "lmq", &o.lmq) &&
      arguments.Option(0, "queueExtension", &o.queue_extension) &&
      arguments.Option(0, "extensionFileBytes", &o.extension_file_bytes) &&
      arguments.Option(0, "checkCrc", &o.check_crc) && ReadHost(arguments, 0, "storeHost", &o.store_host) &&
      arguments.OptionArray(0, "delayLevelsMs", &o.delay_levels_ms) &&
      arguments.Option(0, "flushIntervalMs", &o.flush.interval_ms) &&
      arguments.Option(0, "flushLeastPages", &o.flush.least_pages) &&
      arguments.Option(0, "flushThoroughIntervalMs", &o.flush.thorough_interval_ms) &&
      arguments.Option(0, "checkpointIntervalMs", &o.checkpoint_interval_ms) &&
      arguments.Option(0, "flushTimeoutMs", &o.flush_timeout_ms) &&
      arguments.Option(0, "pagecacheBusyMs", &o.pagecache_busy_ms) &&
      arguments.Option(0, "maxMessageBytes", &o.max_message_bytes) &&
      arguments.Option(0, "maxMemoryBytes", &o.max_memory_bytes) &&
      arguments.Option(0, "maxMemoryCount", &o.max_memory_count) &&
      arguments.Option(0, "maxDiskBytes", &o.max_disk_bytes) &&
      arguments.Option(0, "maxDiskCount", &o.max_disk_count) && arguments.Option(0, "memoryRatio", &o.memory_ratio) &&
      ReadRetention(arguments, &o.retention) && arguments.Option(0, "faults", &faults);
  if (!read || o.root.empty()) return ThrowArgument(env, "the options of open do not have the expected types");
  o.on_corruption = static_cast<OnCorruption>(on_corruption);
  if (!faults.empty()) {
    const Status status = MakeFaultyFileSystem(PosixFileSystem(), faults, &work->faults);
    if (!status.ok()) return Throw(env, status);
  }
  if (arguments.Is(1, napi_function)) {
    napi_create_threadsafe_function(env, arguments.at(1), nullptr, String(env, "millrace.progress"), 0, 1, nullptr,
                                    nullptr, nullptr, CallProgress, &work->progress);
  }
  OpenWork* const taken = work.release();  // FinishOpen frees it
  napi_value promise = nullptr;
  napi_create_promise(env, &taken->deferred, &promise);
  napi_create_async_work(env, nullptr, String(env, "millrace.open"), RunOpen, FinishOpen, taken, &taken->work);
  napi_queue_async_work(env, taken->work);
  return promise;
}

// attach(id, onFlushed) → store
napi_value AttachStore(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t id = 0;
  if (!arguments.Integer(0, &id) || !arguments.Is(1, napi_function))
    return ThrowArgument(env, "attach takes a store's id and a function");
  StoreHandle* handle = StoreHandle::Attach(env, static_cast<uint64_t>(id), arguments.at(1));
  if (handle == nullptr)
    return Throw(
        env, Status::Error(Code::kHandleInvalid, "no open store of this process has the handle " + std::to_string(id)));
  std::erase(GetEnvironment(env)->unclaimed, static_cast<uint64_t>(id));
  MappingGuard::PrepareThread();
  return handle->Wrap(env);
}

// close(store) → Promise<void>: lets go; the last one closes.
napi_value CloseStore(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = StoreHandle::From(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  const bool last = handle->Release();
  return RunOnPool(
      env, handle->shared(),
      [last](PoolWork& work) {
        if (last) work.status = work.store->Close();
      },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

// clean(store, below | undefined) → Promise<segments deleted>
napi_value Clean(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  int64_t below = -1;
  if (!arguments.Is(1, napi_undefined) && !arguments.Integer(1, &below))
    return ThrowArgument(env, "clean takes a log offset");
  auto cleaned = std::make_shared<Store::Cleaned>();
  return RunOnPool(
      env, handle->shared(),
      [below, cleaned](PoolWork& work) {
        work.status =
            below < 0 ? work.store->Clean(true, cleaned.get()) : work.store->DeleteBelow(below, cleaned.get());
      },
      [cleaned](napi_env e, PoolWork&) { return Number(e, static_cast<double>(cleaned->segments)); });
}

// deleteTopic(store, topic) → Promise<void>
napi_value DeleteTopic(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  std::string topic;
  if (!arguments.String(1, &topic)) return ThrowArgument(env, "deleteTopic takes a topic");
  return RunOnPool(
      env, handle->shared(), [topic](PoolWork& work) { work.status = work.store->DeleteTopic(topic); },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

// backup(store, directory) → Promise<[from, to, bytes]>
napi_value Backup(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  std::string directory;
  if (!arguments.String(1, &directory)) return ThrowArgument(env, "backup takes a directory");
  auto done = std::make_shared<Store::BackedUp>();
  return RunOnPool(
      env, handle->shared(),
      [directory, done](PoolWork& work) { work.status = work.store->Backup(directory, done.get()); },
      [done](napi_env e, PoolWork&) {
        return Numbers(e, {done->from, done->to, done->bytes});
      });
}

// replaceFile(store, name, bytes, keep) → Promise<void>; the bytes must not change before it has settled
napi_value ReplaceFile(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  std::string name;
  uint8_t* data = nullptr;
  size_t count = 0;
  bool keep = false;
  if (!arguments.String(1, &name) || !arguments.Bytes(2, &data, &count) || !arguments.Boolean(3, &keep))
    return ThrowArgument(env, "replaceFile takes a name, bytes and a boolean");
  return RunOnPool(
      env, handle->shared(),
      [name, data, count, keep](PoolWork& work) {
        work.status = work.store->ReplaceFile(name, {data, data + count}, keep);
      },
      [](napi_env e, PoolWork&) { return Undefined(e); }, arguments.at(2));
}

napi_value GetReport(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = StoreHandle::From(env, arguments.at(0));
  return handle == nullptr ? nullptr : ReportValue(env, handle->store().recovery());
}

// info(store) → what does not change: root, sizes, policy.
napi_value GetInfo(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = StoreHandle::From(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  Store& store = handle->store();
  napi_value value = Object(env);
  Set(env, value, "root", String(env, store.options().root));
  Set(env, value, "readOnly", Boolean(env, store.read_only()));
  Set(env, value, "segmentBytes", Number(env, static_cast<double>(store.log().segment_bytes())));
  Set(env, value, "queueFileBytes", Number(env, static_cast<double>(store.queues().options().file_bytes)));
  Set(env, value, "indexSlots", Number(env, store.index().sizes().slots));
  Set(env, value, "indexEntries", Number(env, store.index().sizes().entries));
  Set(env, value, "synchronousFlush", Boolean(env, store.options().synchronous_flush));
  Set(env, value, "flushTimeoutMs", Number(env, static_cast<double>(store.options().flush_timeout_ms)));
  Set(env, value, "storeHostV6", Boolean(env, store.options().store_host.address_bytes == 16));
  const Host& host = store.options().store_host;
  napi_value bytes = nullptr;
  void* data = nullptr;
  // It can't be made in an environment that is being torn down: its thread is terminated while it attaches.
  if (napi_create_buffer(env, static_cast<size_t>(host.bytes()), &data, &bytes) != napi_ok) return nullptr;
  memcpy(data, host.address, host.address_bytes);
  Put32(static_cast<uint8_t*>(data) + host.address_bytes, static_cast<uint32_t>(host.port));
  Set(env, value, "storeHost", bytes);
  return value;
}

// numbers(store, array) writes into a Float64Array: [state, min, published, visible, flushed, confirm, syncs, sync ns,
// populated bytes, copied appends, written appends, refaulted pages]
napi_value GetNumbers(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = StoreHandle::From(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  uint8_t* out = nullptr;
  size_t bytes = 0;
  Store& store = handle->store();
  const Flusher::Counters counters = store.flusher().counters();
  const double numbers[] = {
      static_cast<double>(static_cast<int>(store.state())),
      static_cast<double>(store.min_log_offset()),
      static_cast<double>(store.log().published()),
      static_cast<double>(store.visible_end()),
      static_cast<double>(store.read_only() ? store.log().published() : store.flusher().flushed()),
      static_cast<double>(store.confirm_offset()),
      static_cast<double>(counters.syncs),
      static_cast<double>(counters.sync_nanoseconds),
      static_cast<double>(store.log().keeper().populated_bytes()),
      static_cast<double>(store.log().copied_appends()),
      static_cast<double>(store.log().written_appends()),
      static_cast<double>(counters.refaulted_pages)};
  if (!arguments.Bytes(1, &out, &bytes) || bytes < sizeof numbers) return ThrowArgument(env, "numbers takes an array");
  memcpy(out, numbers, sizeof numbers);
  return Undefined(env);
}

napi_value SetConfirmOffset(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t offset = 0;
  if (handle == nullptr) return nullptr;
  if (!arguments.Integer(1, &offset)) return ThrowArgument(env, "the confirm offset is a whole number");
  handle->store().set_confirm_offset(offset);
  return Undefined(env);
}

}  // namespace

void ExportStore(napi_env env, napi_value exports) {
  Export(env, exports, "open", OpenStore);
  Export(env, exports, "attach", AttachStore);
  Export(env, exports, "close", CloseStore);
  Export(env, exports, "clean", Clean);
  Export(env, exports, "deleteTopic", DeleteTopic);
  Export(env, exports, "backup", Backup);
  Export(env, exports, "replaceFile", ReplaceFile);
  Export(env, exports, "report", GetReport);
  Export(env, exports, "info", GetInfo);
  Export(env, exports, "numbers", GetNumbers);
  Export(env, exports, "setConfirmOffset", SetConfirmOffset);
}

}  // namespace millrace::js
