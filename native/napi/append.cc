// Appending: the block of messages, and what waits for the flush.
#include <cmath>
#include <cstdlib>

#include "exports.h"

namespace millrace::js {
namespace {

// clang-format off
// The append block. TypeScript (src/store/append-block.ts) writes it, for an argument of a call costs more than a number in memory; the core's answers are
// written over it. At its start:
//
//  byte  0     4       8       12       16
//        ├ end ┼ count ┼ flags ┼ answer ┤ messages
//
// `end` is where the messages end. Flags are a sum of: 1 all or nothing, 2 together, 4 wait for the flush; the answer is one of: 1 a message was refused, 2 not
// flushed in time. One message:
//
//  byte  0             4       8      12        16          20     24     28     32           36      40     48
//  in    ├ entry bytes ┼ queue ┼ flag ┼ sysFlag ┼ reconsume ┼ body ┼ tags ┼ keys ┼ properties ┼ hosts ┼ born ┼ prepared ┤ hosts, tags, keys, properties, body
//  out   │             ┼ code  ┼ size ┼ why     ┼ log offset       ┼ queue offset ┼ store time         │
//
// `why` is 1 where MESSAGE_ILLEGAL is said of what INNER_MULTI_DISPATCH names, 0 where it is said of a size.
// Native byte order; a born time of NaN means the store time; an entry's length is a multiple of 8. `hosts` is the address bytes of the born host, and of the store host << 8. A body length of
// -n - 1 means n bytes that are an argument of the call.
// clang-format on
struct Appender {
  StoreHandle* handle;
  std::shared_ptr<uint8_t[]> memory;
  size_t block_bytes;
  napi_ref wrapper;  // keeps the store's object, and with it `handle`, while the function lives
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

enum Flag : uint32_t { kAllOrNothing = 1, kTogether = 2, kWaitForFlush = 4 };
enum Answer : uint32_t { kSomeRefused = 1, kNotFlushed = 2 };

// Reads the messages of the block, `end` bytes of it. What is wrong with it, or null.
const char* ReadMessages(Appender* appender, uint32_t end, uint32_t count, std::string_view outside) {
  appender->messages.resize(count);
  appender->queues.resize(count);
  appender->outcomes.resize(count);
  appender->hosts.resize(size_t{2} * count);
  appender->entries.resize(count);
  const Host* const default_host = &appender->handle->store().options().store_host;
  size_t at = kBlockHeadBytes;
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t* const entry = appender->memory.get() + at;
    if (at > end || end - at < kEntryHeadBytes) return "the append block is cut off";
    const auto entry_bytes = Load<uint32_t>(entry);
    const auto queue = Load<uint32_t>(entry + 4);
    const int32_t body_bytes = Load<int32_t>(entry + 20);
    const auto tags = Load<uint32_t>(entry + 24), keys = Load<uint32_t>(entry + 28),
               properties = Load<uint32_t>(entry + 32), hosts = Load<uint32_t>(entry + 36);
    if (queue >= appender->handle->queues.size() || entry_bytes > end - at) return "the append block is malformed";
    MessageFields& message = appender->messages[i];
    appender->queues[i] = appender->handle->queues[queue];
    appender->entries[i] = at;
    message.topic = appender->queues[i]->topic();
    message.queue_id = appender->queues[i]->queue_id();
    message.flag = Load<int32_t>(entry + 8);
    message.sys_flag = Load<int32_t>(entry + 12);
    message.reconsume_times = Load<int32_t>(entry + 16);
    const auto born = Load<double>(entry + 40);
    message.born_timestamp = std::isnan(born) ? kBornWhenStored : static_cast<int64_t>(born);
    message.prepared_transaction_offset = static_cast<int64_t>(Load<double>(entry + 48));
    message.born_host = message.store_host = default_host;
    uint64_t cursor = kEntryHeadBytes;
    const uint64_t needed = cursor + ((hosts & 0xFF) != 0 ? 20 : 0) + ((hosts >> 8) != 0 ? 20 : 0) + uint64_t{tags} +
                            keys + properties + (body_bytes > 0 ? static_cast<uint64_t>(body_bytes) : 0);
    if (needed > entry_bytes) return "the append block is malformed";
    if ((hosts & 0xFF) != 0) {
      if (!ReadBlockHost(entry + cursor, static_cast<int>(hosts & 0xFF), &appender->hosts[2 * i]))
        return "the born host is malformed";
      message.born_host = &appender->hosts[2 * i];
      cursor += 20;
    }
    if ((hosts >> 8) != 0) {
      if (!ReadBlockHost(entry + cursor, static_cast<int>(hosts >> 8), &appender->hosts[2 * i + 1]))
        return "the store host is malformed";
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
  return nullptr;
}

// Writes what came of each message over it. Returns where the last record ends, 0 when all were refused.
int64_t WriteAnswers(const Appender& appender, uint32_t* answer) {
  int64_t log_end = 0;
  for (size_t i = 0; i < appender.entries.size(); i++) {
    uint8_t* const entry = appender.memory.get() + appender.entries[i];
    const AppendOutcome& outcome = appender.outcomes[i];
    Save(entry + 4, static_cast<int32_t>(outcome.code));
    Save(entry + 8, outcome.size);
    Save(entry + 12, static_cast<int32_t>(outcome.bad_side_queue ? 1 : 0));
    Save(entry + 16, static_cast<double>(outcome.log_offset));
    Save(entry + 24, static_cast<double>(outcome.queue_offset));
    Save(entry + 32, static_cast<double>(outcome.store_timestamp));
    if (outcome.code != Code::kOk) {
      *answer |= kSomeRefused;
    } else {
      log_end = outcome.log_offset + outcome.size;
    }
  }
  return log_end;
}

// append(body?)
napi_value Append(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* appender = static_cast<Appender*>(arguments.data());
  uint8_t* const block = appender->memory.get();
  const auto end = Load<uint32_t>(block), count = Load<uint32_t>(block + 4), flags = Load<uint32_t>(block + 8);
  Save(block + 4, uint32_t{0});  // nothing is appended twice
  if (end > appender->block_bytes || count > end / kEntryHeadBytes)
    return ThrowArgument(env, "the append block is malformed");
  Store& store = appender->handle->store();
  if (appender->handle->released())
    return Throw(env, Status::Error(Code::kStoreNotOpen, "the store is closed", store.options().root));
  std::string_view outside;
  if (arguments.count() > 0) {
    uint8_t* data = nullptr;
    size_t length = 0;
    if (!arguments.Bytes(0, &data, &length)) return ThrowArgument(env, "the body is no bytes");
    outside = {reinterpret_cast<const char*>(data), length};
  }
  if (const char* wrong = ReadMessages(appender, end, count, outside)) return ThrowArgument(env, wrong);
  AppendMode mode;
  mode.all_or_nothing = (flags & kAllOrNothing) != 0;
  mode.together = (flags & kTogether) != 0;
  Status status = store.Append(&appender->handle->append_buffer, appender->messages.data(), appender->queues.data(),
                               count, mode, appender->outcomes.data());
  if (!status.ok()) return Throw(env, status);
  uint32_t answer = 0;
  const int64_t log_end = WriteAnswers(*appender, &answer);
  if (log_end > 0 && (flags & kWaitForFlush) != 0) {
    bool done = true;
    status = store.WaitFlushed(log_end, &done);
    if (!status.ok()) return Throw(env, status);
    if (!done) answer |= kNotFlushed;
  } else if (log_end > 0 && store.flusher().synchronous()) {
    // Whoever waits in TypeScript (or does not wait at all) is served by the flusher's thread, which begins now.
    store.flusher().Request(log_end);
  }
  Save(block + 12, answer);
  return nullptr;
}

// createAppender(store, bytes) → {append, block: ArrayBuffer}. The memory is the core's, so that a block that is taken
// away from TypeScript is still there for append.
napi_value CreateAppender(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t bytes = 0;
  if (handle == nullptr) return nullptr;
  if (!arguments.Integer(1, &bytes) || bytes < static_cast<int64_t>(kBlockHeadBytes) || bytes > INT32_MAX)
    return ThrowArgument(env, "createAppender takes a number of bytes");
  using Memory = std::shared_ptr<uint8_t[]>;
  // Pages of a large block that are never written to take no memory.
  Memory memory(static_cast<uint8_t*>(calloc(static_cast<size_t>(bytes), 1)), free);
  if (!memory)
    return Throw(env, Status::Error(Code::kUnknownError, "no memory for " + std::to_string(bytes) + " bytes"));
  napi_value block = nullptr;
  auto* const shared = new Memory(memory);
  if (napi_create_external_arraybuffer(
          env, memory.get(), static_cast<size_t>(bytes),
          [](napi_env, void*, void* hint) { delete static_cast<Memory*>(hint); }, shared, &block) != napi_ok) {
    // A V8 that takes no memory of others: then the block is V8's.
    delete shared;
    void* data = nullptr;
    if (napi_create_arraybuffer(env, static_cast<size_t>(bytes), &data, &block) != napi_ok)
      return Throw(env, Status::Error(Code::kUnknownError, "no memory for " + std::to_string(bytes) + " bytes"));
    memory = Memory(static_cast<uint8_t*>(data), [](uint8_t*) {});
  }
  auto* appender =
      new Appender{handle, std::move(memory), static_cast<size_t>(bytes), nullptr, nullptr, {}, {}, {}, {}, {}};
  napi_create_reference(env, arguments.at(0), 1, &appender->wrapper);
  napi_create_reference(env, block, 1, &appender->block_ref);
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
  napi_value made = Object(env);
  Set(env, made, "append", function);
  Set(env, made, "block", block);
  return made;
}

// queue(store, topic, queueId, make) → its number; -1 for one that nobody has written to, -2 for one that nobody can
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
  if (queue != nullptr) return Number(env, handle->NumberOf(queue));
  return Number(env, IsTopicName(topic, kMaxTopicBytes) ? -1 : -2);
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
        work.status = work.store->CheckSound();
        if (work.status.ok()) work.status = work.store->FlushAll();
      },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

}  // namespace

void ExportAppend(napi_env env, napi_value exports) {
  Export(env, exports, "createAppender", CreateAppender);
  Export(env, exports, "queue", QueueNumber);
  Export(env, exports, "appendRaw", AppendRaw);
  Export(env, exports, "wakeWhenFlushed", WakeWhenFlushed);
  Export(env, exports, "hold", Hold);
  Export(env, exports, "flush", Flush);
}

}  // namespace millrace::js
