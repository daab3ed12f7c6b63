// The addon's exports: flat arguments in, the core called, flat values out. Nothing is decided here.
#include <memory>

#include "../core/crc32.h"
#include "../core/platform.h"
#include "js.h"
#include "store_handle.h"

namespace millrace::js {
namespace {

// ---- open, attach, close
// --------------------------------------------------------------------------------------------------------------

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
      arguments.Option(0, "root", &o.root) && arguments.Option(0, "logDirectory", &o.log_directory) &&
      arguments.Option(0, "segmentBytes", &o.segment_bytes) &&
      arguments.Option(0, "queueFileBytes", &o.queue_file_bytes) && arguments.Option(0, "indexSlots", &o.index_slots) &&
      arguments.Option(0, "indexEntries", &o.index_entries) && arguments.Option(0, "indexEnabled", &o.index_enabled) &&
      arguments.Option(0, "rebuildIndex", &o.rebuild_index) && arguments.Option(0, "readOnly", &o.read_only) &&
      arguments.Option(0, "onCorruption", &on_corruption) &&
      arguments.Option(0, "synchronousFlush", &o.synchronous_flush) &&
      arguments.Option(0, "visibleWhenDurable", &o.visible_when_durable) &&
      arguments.Option(0, "multiDispatch", &o.multi_dispatch) && arguments.Option(0, "lmq", &o.lmq) &&
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
      arguments.Option(0, "faults", &faults);
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
  MappingGuard::PrepareThread();
  return handle->Wrap(env);
}

// The promise of work that runs on libuv's pool: `run` there, `finish` back here gives the value or sets the status.
struct PoolWork {
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  std::shared_ptr<Store> store;
  napi_ref keep = nullptr;  // a value that must live until the answer is there
  Status status;
  std::function<void(PoolWork&)> run;
  std::function<napi_value(napi_env, PoolWork&)> finish;
};

napi_value RunOnPool(napi_env env, std::shared_ptr<Store> store, std::function<void(PoolWork&)> run,
                     std::function<napi_value(napi_env, PoolWork&)> finish, napi_value keep = nullptr) {
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

// A handle whose environment has let go answers no more calls, though other environments may go on.
StoreHandle* OpenHandle(napi_env env, napi_value value) {
  StoreHandle* handle = StoreHandle::From(env, value);
  if (handle != nullptr && handle->released()) {
    Throw(env, Status::Error(Code::kStoreNotOpen, "the store is closed", handle->store().options().root));
    return nullptr;
  }
  return handle;
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
  Set(env, value, "storeHostV6", Boolean(env, store.options().store_host.address_bytes == 16));
  const Host& host = store.options().store_host;
  napi_value bytes = nullptr;
  void* data = nullptr;
  napi_create_buffer(env, static_cast<size_t>(host.bytes()), &data, &bytes);
  memcpy(data, host.address, host.address_bytes);
  Put32(static_cast<uint8_t*>(data) + host.address_bytes, static_cast<uint32_t>(host.port));
  Set(env, value, "storeHost", bytes);
  return value;
}

// numbers(store) → [state, min, published, visible, flushed, confirm, syncs, sync ns, populated bytes, copied appends,
// written appends, refaulted pages]
napi_value GetNumbers(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = StoreHandle::From(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
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
  napi_value array = nullptr;
  napi_create_array_with_length(env, sizeof numbers / sizeof numbers[0], &array);
  for (uint32_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    napi_set_element(env, array, i, Number(env, numbers[i]));
  return array;
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

// ---- append
// ---------------------------------------------------------------------------------------------------------------------------

// One message in the append block. TypeScript (src/store/append-block.ts) writes it, the core's answer is written over
// its head.
//
//  byte  0             4      8     12        16         20     24    28    32          36     40     48
//  in    ├ entry bytes ┼ queue┼ flag┼ sysFlag ┼ reconsume┼ body ┼ tags┼ keys┼ properties┼ hosts┼ born ┼ prepared ┤
//  hosts, tags, keys, properties, body out   │             ┼ code ┼ size┼         ┼ log offset     ┼ queue offset┼
//  store time    │
// native byte order; an entry's length is a multiple of 8; hosts: address bytes of the born host, of the store host <<
// 8; a body length of -n - 1 means n bytes that are an argument of the call.
constexpr size_t kEntryHeadBytes = 56;

struct Appender {
  StoreHandle* handle;
  napi_ref wrapper;  // keeps the store's object, and with it `handle`, while the function lives
  uint8_t* block;
  size_t block_bytes;
  napi_ref block_ref;
  std::vector<MessageFields> messages;
  std::vector<ConsumeQueue*> queues;
  std::vector<AppendOutcome> outcomes;
  std::vector<Host> hosts;
  std::vector<size_t> entries;
};

template <typename T>
T Load(const uint8_t* p) {
  T value;
  memcpy(&value, p, sizeof value);
  return value;
}
template <typename T>
void Save(uint8_t* p, T value) {
  memcpy(p, &value, sizeof value);
}

bool ReadBlockHost(const uint8_t* p, int address_bytes, Host* host) {
  if (address_bytes != 4 && address_bytes != 16) return false;
  memcpy(host->address, p, static_cast<size_t>(address_bytes));
  host->address_bytes = static_cast<uint8_t>(address_bytes);
  host->port = Load<int32_t>(p + 16);
  return true;
}

// append(bytes, count, mode, body?) → 0, or a sum of: 1 a message was refused, 2 not flushed in time. Modes: 1 all or
// nothing, 2 together, 4 wait for the flush.
napi_value Append(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* appender = static_cast<Appender*>(arguments.data());
  uint32_t bytes = 0, count = 0, mode = 0;
  if (arguments.count() < 3 || napi_get_value_uint32(env, arguments.at(0), &bytes) != napi_ok ||
      napi_get_value_uint32(env, arguments.at(1), &count) != napi_ok ||
      napi_get_value_uint32(env, arguments.at(2), &mode) != napi_ok || bytes > appender->block_bytes ||
      count > bytes / kEntryHeadBytes)
    return ThrowArgument(env, "append takes the bytes and messages in its block, and a mode");
  if (appender->handle->released())
    return Throw(env,
                 Status::Error(Code::kStoreNotOpen, "the store is closed", appender->handle->store().options().root));
  std::string_view outside;
  if (arguments.count() > 3) {
    uint8_t* data = nullptr;
    size_t length = 0;
    if (!arguments.Bytes(3, &data, &length)) return ThrowArgument(env, "the body is no bytes");
    outside = {reinterpret_cast<const char*>(data), length};
  }
  Store& store = appender->handle->store();
  const Host* const default_host = &store.options().store_host;
  appender->messages.resize(count);
  appender->queues.resize(count);
  appender->outcomes.resize(count);
  appender->hosts.resize(size_t{2} * count);
  appender->entries.resize(count);
  size_t at = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t* const entry = appender->block + at;
    if (bytes - at < kEntryHeadBytes) return ThrowArgument(env, "the append block is cut off");
    const auto entry_bytes = Load<uint32_t>(entry);
    const auto queue = Load<uint32_t>(entry + 4);
    const int32_t body_bytes = Load<int32_t>(entry + 20);
    const auto tags = Load<uint32_t>(entry + 24), keys = Load<uint32_t>(entry + 28),
               properties = Load<uint32_t>(entry + 32), hosts = Load<uint32_t>(entry + 36);
    if (queue >= appender->handle->queues.size() || entry_bytes > bytes - at)
      return ThrowArgument(env, "the append block is malformed");
    MessageFields& message = appender->messages[i];
    appender->queues[i] = appender->handle->queues[queue];
    appender->entries[i] = at;
    message.topic = appender->queues[i]->topic();
    message.queue_id = appender->queues[i]->queue_id();
    message.flag = Load<int32_t>(entry + 8);
    message.sys_flag = Load<int32_t>(entry + 12);
    message.reconsume_times = Load<int32_t>(entry + 16);
    message.born_timestamp = static_cast<int64_t>(Load<double>(entry + 40));
    message.prepared_transaction_offset = static_cast<int64_t>(Load<double>(entry + 48));
    message.born_host = message.store_host = default_host;
    uint64_t cursor = kEntryHeadBytes;
    const uint64_t needed = cursor + ((hosts & 0xFF) != 0 ? 20 : 0) + ((hosts >> 8) != 0 ? 20 : 0) + uint64_t{tags} +
                            keys + properties + (body_bytes > 0 ? static_cast<uint64_t>(body_bytes) : 0);
    if (needed > entry_bytes) return ThrowArgument(env, "the append block is malformed");
    if ((hosts & 0xFF) != 0) {
      if (!ReadBlockHost(entry + cursor, static_cast<int>(hosts & 0xFF), &appender->hosts[2 * i]))
        return ThrowArgument(env, "the born host is malformed");
      message.born_host = &appender->hosts[2 * i];
      cursor += 20;
    }
    if ((hosts >> 8) != 0) {
      if (!ReadBlockHost(entry + cursor, static_cast<int>(hosts >> 8), &appender->hosts[2 * i + 1]))
        return ThrowArgument(env, "the store host is malformed");
      message.store_host = &appender->hosts[2 * i + 1];
      cursor += 20;
    }
    const auto view = [&](uint32_t length) {
      const std::string_view text(reinterpret_cast<const char*>(entry + cursor), length);
      cursor += length;
      return text;
    };
    message.tags = view(tags);
    message.keys = view(keys);
    message.properties = view(properties);
    message.body = body_bytes >= 0 ? view(static_cast<uint32_t>(body_bytes))
                                   : outside.substr(0, static_cast<size_t>(-(body_bytes + 1)));
    at += entry_bytes;
  }
  AppendMode append_mode;
  append_mode.all_or_nothing = (mode & 1) != 0;
  append_mode.together = (mode & 2) != 0;
  const Status status = store.Append(&appender->handle->append_buffer, appender->messages.data(),
                                     appender->queues.data(), count, append_mode, appender->outcomes.data());
  if (!status.ok()) return Throw(env, status);
  uint32_t result = 0;
  int64_t end = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t* const entry = appender->block + appender->entries[i];
    const AppendOutcome& outcome = appender->outcomes[i];
    Save(entry + 4, static_cast<int32_t>(outcome.code));
    Save(entry + 8, outcome.size);
    Save(entry + 16, static_cast<double>(outcome.log_offset));
    Save(entry + 24, static_cast<double>(outcome.queue_offset));
    Save(entry + 32, static_cast<double>(outcome.store_timestamp));
    if (outcome.code != Code::kOk) {
      result |= 1;
    } else {
      end = outcome.log_offset + outcome.size;
    }
  }
  // Whoever waits in TypeScript (or does not wait at all) is served by the flusher's thread, which begins now.
  if ((mode & 4) == 0 && end > 0 && store.flusher().synchronous()) store.flusher().Request(end);
  if ((mode & 4) != 0 && end > 0) {
    bool done = true;
    const Status flushed = store.WaitFlushed(end, &done);
    if (!flushed.ok()) return Throw(env, flushed);
    if (!done) result |= 2;
  }
  napi_value value = nullptr;
  napi_create_uint32(env, result, &value);
  return value;
}

// createAppender(store, block: ArrayBuffer) → append function
napi_value CreateAppender(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  bool is_buffer = false;
  void* data = nullptr;
  size_t bytes = 0;
  if (arguments.count() < 2 || napi_is_arraybuffer(env, arguments.at(1), &is_buffer) != napi_ok || !is_buffer ||
      napi_get_arraybuffer_info(env, arguments.at(1), &data, &bytes) != napi_ok || data == nullptr)
    return ThrowArgument(env, "the append block is no ArrayBuffer");
  auto* appender = new Appender{handle, nullptr, static_cast<uint8_t*>(data), bytes, nullptr, {}, {}, {}, {}, {}};
  napi_create_reference(env, arguments.at(0), 1, &appender->wrapper);
  napi_create_reference(env, arguments.at(1), 1, &appender->block_ref);
  napi_value function = nullptr;
  napi_create_function(env, "append", NAPI_AUTO_LENGTH, Append, appender, &function);
  napi_add_finalizer(
      env, function, appender,
      [](napi_env e, void* pointer, void*) {
        auto* gone = static_cast<Appender*>(pointer);
        napi_delete_reference(e, gone->wrapper);
        napi_delete_reference(e, gone->block_ref);
        delete gone;
      },
      nullptr, nullptr);
  return function;
}

// queue(store, topic, queueId, make) → its number, -1 for an unknown one
napi_value QueueNumber(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  std::string topic;
  int64_t queue_id = 0;
  bool make = false;
  if (!arguments.String(1, &topic) || !arguments.Integer(2, &queue_id) || queue_id > INT32_MAX ||
      queue_id < INT32_MIN || !arguments.Boolean(3, &make))
    return ThrowArgument(env, "a queue is a topic and a 32-bit number");
  ConsumeQueue* queue = handle->store().FindQueue(topic, static_cast<int32_t>(queue_id));
  if (queue == nullptr && make) {
    const Status status = handle->store().Queue(topic, static_cast<int32_t>(queue_id), &queue);
    if (!status.ok()) return Throw(env, status);
  }
  if (queue == nullptr) return Number(env, -1);
  return Number(env, handle->NumberOf(queue));
}

// appendRaw(store, logOffset, bytes)
napi_value AppendRaw(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  int64_t offset = 0;
  uint8_t* data = nullptr;
  size_t bytes = 0;
  if (!arguments.Integer(1, &offset) || offset < 0 || !arguments.Bytes(2, &data, &bytes))
    return ThrowArgument(env, "appendRaw takes a log offset and bytes");
  const Status status = handle->store().AppendRaw(offset, data, bytes);
  return status.ok() ? Undefined(env) : Throw(env, status);
}

// wakeWhenFlushed(store, logOffset); hold(store, whether)
napi_value WakeWhenFlushed(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t target = 0;
  if (handle == nullptr) return nullptr;
  if (!arguments.Integer(1, &target)) return ThrowArgument(env, "a log offset is a whole number");
  handle->WakeWhenFlushed(target);
  return Undefined(env);
}

napi_value Hold(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = StoreHandle::From(env, arguments.at(0));
  bool hold = false;
  if (handle == nullptr) return nullptr;
  if (!arguments.Boolean(1, &hold)) return ThrowArgument(env, "hold takes a boolean");
  handle->Hold(hold);
  return Undefined(env);
}

// flush(store) → Promise<void>: log, queues, index, checkpoint, position.
napi_value Flush(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  return RunOnPool(
      env, handle->shared(),
      [](PoolWork& work) {
        work.status = work.store->CheckWritable();
        if (work.status.ok()) work.status = work.store->FlushAll();
      },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

// ---- read
// -----------------------------------------------------------------------------------------------------------------------------

struct TagList {
  std::vector<std::string> tags;
  std::vector<int32_t> hashes;
};
constexpr napi_type_tag kTagListTag = {0x6d696c6c72616365, 0x7461677300000002};

// createTags(strings) → a list for pull
napi_value CreateTags(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  uint32_t length = 0;
  if (arguments.count() < 1 || napi_get_array_length(env, arguments.at(0), &length) != napi_ok)
    return ThrowArgument(env, "tags are an array");
  auto list = std::make_unique<TagList>();
  for (uint32_t i = 0; i < length; i++) {
    napi_value item = nullptr;
    size_t bytes = 0;
    std::string text;
    if (napi_get_element(env, arguments.at(0), i, &item) != napi_ok ||
        napi_get_value_string_utf8(env, item, nullptr, 0, &bytes) != napi_ok)
      return ThrowArgument(env, "a tag is a string");
    text.resize(bytes);
    napi_get_value_string_utf8(env, item, text.data(), bytes + 1, &bytes);
    list->hashes.push_back(JavaHash(text));
    list->tags.push_back(std::move(text));
  }
  TagList* const taken = list.release();  // the value's finalizer frees it
  napi_value external = nullptr;
  napi_create_external(
      env, taken, [](napi_env, void* data, void*) { delete static_cast<TagList*>(data); }, nullptr, &external);
  napi_type_tag_object(env, external, &kTagListTag);
  return external;
}

// What pull writes into its Float64Array of numbers.
enum PullNumber { kStatus, kNext, kMin, kMax, kSuggest, kCount, kBytes, kWouldBlock, kMismatches, kPullNumbers };

struct PullArguments {
  PullRequest request;
  bool copy = true;
};

bool ReadPull(napi_env env, const Arguments& arguments, StoreHandle* handle, PullArguments* out) {
  int64_t queue = 0, mode = 0;
  PullRequest& request = out->request;
  if (!arguments.Integer(1, &queue) || queue < 0 || static_cast<size_t>(queue) >= handle->queues.size() ||
      !arguments.Integer(2, &request.offset) || !arguments.Integer(3, &request.max_messages) ||
      !arguments.Integer(4, &request.max_bytes) || !arguments.Integer(5, &mode)) {
    ThrowArgument(env, "pull takes a queue, an offset, two limits and a mode");
    return false;
  }
  request.queue = handle->queues[static_cast<size_t>(queue)];
  out->copy = mode == 0;
  request.touch_records = out->copy;
  if (arguments.count() > 6 && !arguments.Is(6, napi_undefined)) {
    bool ours = false;
    void* list = nullptr;
    if (napi_check_object_type_tag(env, arguments.at(6), &kTagListTag, &ours) != napi_ok || !ours ||
        napi_get_value_external(env, arguments.at(6), &list) != napi_ok) {
      ThrowArgument(env, "the tags are no list of this addon");
      return false;
    }
    request.tags = &static_cast<TagList*>(list)->tags;
    request.tag_hashes = &static_cast<TagList*>(list)->hashes;
  }
  return true;
}

void WriteNumbers(const PullOutcome& outcome, double* numbers) {
  numbers[kStatus] = static_cast<double>(static_cast<int>(outcome.status));
  numbers[kNext] = static_cast<double>(outcome.next_offset);
  numbers[kMin] = static_cast<double>(outcome.min_offset);
  numbers[kMax] = static_cast<double>(outcome.max_offset);
  numbers[kSuggest] = outcome.suggest_slave ? 1 : 0;
  numbers[kCount] = static_cast<double>(outcome.ranges.size());
  numbers[kBytes] = static_cast<double>(outcome.bytes);
  numbers[kWouldBlock] = outcome.would_block ? 1 : 0;
  numbers[kMismatches] = static_cast<double>(outcome.mismatches.size());
}

// mismatches(store) → the units of the last pull that did not point to a record of their queue
napi_value Mismatches(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = StoreHandle::From(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  napi_value array = nullptr;
  napi_create_array(env, &array);
  for (uint32_t i = 0; i < handle->mismatches.size(); i++) {
    const UnitMismatch& mismatch = handle->mismatches[i];
    napi_value row = Object(env);
    Set(env, row, "queueOffset", Number(env, static_cast<double>(mismatch.queue_offset)));
    Set(env, row, "logOffset", Number(env, static_cast<double>(mismatch.log_offset)));
    Set(env, row, "reason", String(env, mismatch.reason));
    napi_set_element(env, array, i, row);
  }
  handle->mismatches.clear();
  return array;
}

// The value of a pull: bytes of the records, or nothing for ranges, which are behind the numbers.
napi_value PullValue(napi_env env, const PullOutcome& outcome, bool copy, double* numbers, size_t numbers_length,
                     const std::vector<uint8_t>* copied, Store& store, Status* status) {
  WriteNumbers(outcome, numbers);
  if (!copy) {
    if (numbers_length < kPullNumbers + 2 * outcome.ranges.size()) {
      *status = Status::Error(Code::kInvalidArgument, "the array for the ranges is too short");
      return nullptr;
    }
    for (size_t i = 0; i < outcome.ranges.size(); i++) {
      numbers[kPullNumbers + 2 * i] = static_cast<double>(outcome.ranges[i].log_offset);
      numbers[kPullNumbers + 2 * i + 1] = static_cast<double>(outcome.ranges[i].size);
    }
    return Undefined(env);
  }
  if (outcome.ranges.empty()) return Undefined(env);
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_buffer(env, static_cast<size_t>(outcome.bytes), &data, &buffer) != napi_ok) {
    *status = Status::Error(Code::kUnknownError, "no memory for " + std::to_string(outcome.bytes) + " bytes");
    return nullptr;
  }
  if (copied != nullptr) {
    memcpy(data, copied->data(), copied->size());
  } else {
    *status = store.CopyRanges(outcome.ranges, static_cast<uint8_t*>(data));
  }
  return buffer;
}

// pull(store, queue, offset, maxMessages, maxBytes, mode, tags, numbers) → Buffer | undefined; would-block is in the
// numbers
napi_value Pull(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  PullArguments pull;
  if (handle == nullptr || !ReadPull(env, arguments, handle, &pull)) return nullptr;
  uint8_t* numbers = nullptr;
  size_t bytes = 0;
  if (!arguments.Bytes(7, &numbers, &bytes) || bytes < kPullNumbers * sizeof(double))
    return ThrowArgument(env, "pull takes an array for its numbers");
  PullOutcome outcome;
  pull.request.cached_only = true;
  Status status = handle->store().Pull(pull.request, &outcome);
  if (!status.ok()) return Throw(env, status);
  napi_value value = PullValue(env, outcome, pull.copy, reinterpret_cast<double*>(numbers), bytes / sizeof(double),
                               nullptr, handle->store(), &status);
  if (!outcome.mismatches.empty()) handle->mismatches = std::move(outcome.mismatches);
  return status.ok() ? value : Throw(env, status);
}

// The same off the loop, for pages that are not in memory → Promise<{numbers, value}>
napi_value PullCold(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  auto pull = std::make_shared<PullArguments>();
  if (handle == nullptr || !ReadPull(env, arguments, handle, pull.get())) return nullptr;
  auto tags = std::make_shared<TagList>();
  if (pull->request.tags != nullptr) {  // the list may be collected while the pool reads
    tags->tags = *pull->request.tags;
    tags->hashes = *pull->request.tag_hashes;
    pull->request.tags = &tags->tags;
    pull->request.tag_hashes = &tags->hashes;
  }
  auto outcome = std::make_shared<PullOutcome>();
  auto copied = std::make_shared<std::vector<uint8_t>>();
  return RunOnPool(
      env, handle->shared(),
      [pull, tags, outcome, copied](PoolWork& work) {
        work.status = work.store->Pull(pull->request, outcome.get());
        if (!work.status.ok() || !pull->copy) return;
        copied->resize(static_cast<size_t>(outcome->bytes));
        work.status = work.store->CopyRanges(outcome->ranges, copied->data());
      },
      [pull, outcome, copied, handle](napi_env e, PoolWork& work) -> napi_value {
        napi_value buffer = nullptr, array = nullptr;
        void* data = nullptr;
        const size_t length = kPullNumbers + 2 * outcome->ranges.size();
        napi_create_arraybuffer(e, length * sizeof(double), &data, &buffer);
        napi_create_typedarray(e, napi_float64_array, length, buffer, 0, &array);
        napi_value value = PullValue(e, *outcome, pull->copy, static_cast<double*>(data), length, copied.get(),
                                     *work.store, &work.status);
        napi_value result = Object(e);
        if (!outcome->mismatches.empty() && !handle->released()) handle->mismatches = std::move(outcome->mismatches);
        Set(e, result, "numbers", array);
        if (value != nullptr) Set(e, result, "value", value);
        return result;
      },
      arguments.at(0));
}

// recordAt(store, logOffset) → Promise<Buffer | undefined>: resolved at once when its pages are in memory
napi_value RecordAt(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t offset = 0;
  if (handle == nullptr) return nullptr;
  if (!arguments.Integer(1, &offset)) return ThrowArgument(env, "a log offset is a whole number");
  int32_t size = 0;
  bool cached = true;
  const Status status = handle->store().RecordAt(offset, true, &size, &cached);
  if (!status.ok()) return Throw(env, status);
  if (cached && size == 0) return Undefined(env);
  if (cached) {
    void* data = nullptr;
    napi_value buffer = nullptr;
    napi_create_buffer(env, static_cast<size_t>(size), &data, &buffer);
    const Status copy = handle->store().CopyRanges({{offset, 0, size}}, static_cast<uint8_t*>(data));
    return copy.ok() ? buffer : Throw(env, copy);
  }
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  return RunOnPool(
      env, handle->shared(),
      [offset, bytes](PoolWork& work) {
        int32_t found = 0;
        bool in_memory = true;
        work.status = work.store->RecordAt(offset, false, &found, &in_memory);
        if (!work.status.ok() || found == 0) return;
        bytes->resize(static_cast<size_t>(found));
        work.status = work.store->CopyRanges({{offset, 0, found}}, bytes->data());
      },
      [bytes](napi_env e, PoolWork&) -> napi_value {
        if (bytes->empty()) return Undefined(e);
        napi_value buffer = nullptr;
        napi_create_buffer_copy(e, bytes->size(), bytes->data(), nullptr, &buffer);
        return buffer;
      });
}

// readLog(store, logOffset, maxBytes) → Promise<{bytes: Buffer, start, next}>: whole records, at most to the end of
// their segment
napi_value ReadLog(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t offset = 0, limit = 0;
  if (handle == nullptr) return nullptr;
  if (!arguments.Integer(1, &offset) || !arguments.Integer(2, &limit))
    return ThrowArgument(env, "readLog takes a log offset and a limit");
  struct Piece {
    int64_t start = 0, bytes = 0, next = 0;
    std::vector<uint8_t> data;
  };
  auto piece = std::make_shared<Piece>();
  return RunOnPool(
      env, handle->shared(),
      [offset, limit, piece](PoolWork& work) {
        work.status = work.store->LogRange(offset, limit, &piece->start, &piece->bytes, &piece->next);
        if (!work.status.ok() || piece->bytes == 0) return;
        piece->data.resize(static_cast<size_t>(piece->bytes));
        std::shared_ptr<Segment> segment;
        work.status = work.store->log().Find(piece->start, &segment);
        if (!work.status.ok() || !segment) return;
        if (!segment->CopyOut(piece->start - segment->from(), piece->data.data(), piece->data.size()))
          work.status = Status::Error(Code::kPageUnreadable, "a page of the segment can't be read", segment->path(),
                                      piece->start);
      },
      [piece](napi_env e, PoolWork&) -> napi_value {
        napi_value buffer = nullptr, result = Object(e);
        napi_create_buffer_copy(e, piece->data.size(), piece->data.data(), nullptr, &buffer);
        Set(e, result, "bytes", buffer);
        Set(e, result, "start", Number(e, static_cast<double>(piece->start)));
        Set(e, result, "next", Number(e, static_cast<double>(piece->next)));
        return result;
      });
}

// listQueues(store) → [topic, queueId, min, max, …]
napi_value ListQueues(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  napi_value array = nullptr;
  napi_create_array(env, &array);
  uint32_t i = 0;
  for (ConsumeQueue* queue : handle->store().queues().All()) {
    if (queue->max_offset() == 0) continue;  // known by name only: nothing was ever put
    napi_set_element(env, array, i++, String(env, queue->topic()));
    napi_set_element(env, array, i++, Number(env, queue->queue_id()));
    napi_set_element(env, array, i++, Number(env, static_cast<double>(queue->min_offset())));
    napi_set_element(env, array, i++, Number(env, static_cast<double>(handle->store().VisibleMaxOffset(queue))));
  }
  return array;
}

// bounds(store, queue) → [min, max]
napi_value Bounds(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t queue = 0;
  if (handle == nullptr) return nullptr;
  if (!arguments.Integer(1, &queue) || queue < 0 || static_cast<size_t>(queue) >= handle->queues.size())
    return ThrowArgument(env, "no such queue number");
  napi_value array = nullptr;
  napi_create_array_with_length(env, 2, &array);
  ConsumeQueue* of = handle->queues[static_cast<size_t>(queue)];
  napi_set_element(env, array, 0, Number(env, static_cast<double>(of->min_offset())));
  napi_set_element(env, array, 1, Number(env, static_cast<double>(handle->store().VisibleMaxOffset(of))));
  return array;
}

// readUnits(store, queue, offset, count) → Buffer of encoded units, shorter at the end of the queue or of a file
napi_value ReadUnits(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t queue = 0, offset = 0, count = 0;
  if (handle == nullptr) return nullptr;
  if (!arguments.Integer(1, &queue) || queue < 0 || static_cast<size_t>(queue) >= handle->queues.size() ||
      !arguments.Integer(2, &offset) || offset < 0 || !arguments.Integer(3, &count) || count < 0 || count > 1 << 20)
    return ThrowArgument(env, "readUnits takes a queue, an offset and a count");
  std::vector<uint8_t> units(static_cast<size_t>(count) * kUnitBytes);
  int64_t got = 0;
  const Status status = handle->queues[static_cast<size_t>(queue)]->Read(offset, count, units.data(), &got);
  if (!status.ok()) return Throw(env, status);
  napi_value buffer = nullptr;
  napi_create_buffer_copy(env, static_cast<size_t>(got) * kUnitBytes, units.data(), nullptr, &buffer);
  return buffer;
}

// queryIndex(store, topic, key, limit, begin, end) → log offsets, newest first
napi_value QueryIndex(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  std::string topic, key;
  int64_t limit = 0, begin = 0, end = 0;
  if (!arguments.String(1, &topic) || !arguments.String(2, &key) || !arguments.Integer(3, &limit) || limit < 0 ||
      !arguments.Integer(4, &begin) || !arguments.Integer(5, &end))
    return ThrowArgument(env, "queryIndex takes a topic, a key, a limit and two times");
  const std::vector<int64_t> offsets =
      handle->store().index().Query(topic, key, static_cast<size_t>(limit), begin, end);
  napi_value array = nullptr;
  napi_create_array_with_length(env, offsets.size(), &array);
  for (uint32_t i = 0; i < offsets.size(); i++)
    napi_set_element(env, array, i, Number(env, static_cast<double>(offsets[i])));
  return array;
}

napi_value Refresh(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  const Status status = handle->store().Refresh();
  return status.ok() ? Undefined(env) : Throw(env, status);
}

// ---- the layouts' encoders, for the test that holds them against src/format, and for tools
// ---------------------------------------------

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

napi_value SetErrorFactory(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (!arguments.Is(0, napi_function)) return ThrowArgument(env, "the error factory is a function");
  Environment* environment = GetEnvironment(env);
  if (environment->error_factory != nullptr) napi_delete_reference(env, environment->error_factory);
  napi_create_reference(env, arguments.at(0), 1, &environment->error_factory);
  return Undefined(env);
}

napi_value Init(napi_env env, napi_value exports) {
  auto* environment = new Environment{env, nullptr};
  napi_set_instance_data(
      env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr);
  Export(env, exports, "setErrorFactory", SetErrorFactory);
  Export(env, exports, "open", OpenStore);
  Export(env, exports, "attach", AttachStore);
  Export(env, exports, "close", CloseStore);
  Export(env, exports, "report", GetReport);
  Export(env, exports, "info", GetInfo);
  Export(env, exports, "numbers", GetNumbers);
  Export(env, exports, "setConfirmOffset", SetConfirmOffset);
  Export(env, exports, "createAppender", CreateAppender);
  Export(env, exports, "queue", QueueNumber);
  Export(env, exports, "appendRaw", AppendRaw);
  Export(env, exports, "wakeWhenFlushed", WakeWhenFlushed);
  Export(env, exports, "hold", Hold);
  Export(env, exports, "flush", Flush);
  Export(env, exports, "createTags", CreateTags);
  Export(env, exports, "pull", Pull);
  Export(env, exports, "pullCold", PullCold);
  Export(env, exports, "mismatches", Mismatches);
  Export(env, exports, "recordAt", RecordAt);
  Export(env, exports, "readLog", ReadLog);
  Export(env, exports, "listQueues", ListQueues);
  Export(env, exports, "bounds", Bounds);
  Export(env, exports, "readUnits", ReadUnits);
  Export(env, exports, "queryIndex", QueryIndex);
  Export(env, exports, "refresh", Refresh);
  Export(env, exports, "crc32", Crc);
  Export(env, exports, "tagHash", TagHash);
  Export(env, exports, "indexHash", IndexHash);
  napi_value codes = nullptr, constants = Object(env);
  napi_create_array(env, &codes);
  for (uint32_t i = 0; i < static_cast<uint32_t>(Code::kCount); i++)
    napi_set_element(env, codes, i, String(env, CodeName(static_cast<Code>(i))));
  Set(env, constants, "codes", codes);
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
