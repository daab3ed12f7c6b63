// Reading: pulls, records, queues and the index.
#include "exports.h"
#include "tag_list.h"

namespace millrace::js {
namespace {

// createTags(strings) → a list for pull
napi_value CreateTags(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  uint32_t length = 0;
  if (arguments.count() < 1 || napi_get_array_length(env, arguments.at(0), &length) != napi_ok)
    return ThrowArgument(env, "tags are an array");
  auto list = std::make_unique<TagList>();
  for (uint32_t i = 0; i < length; i++) {
    napi_value item = nullptr;
    std::string text;
    if (napi_get_element(env, arguments.at(0), i, &item) != napi_ok || !ReadString(env, item, &text))
      return ThrowArgument(env, "a tag is a string");
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

// The queue whose number an argument is; null for what numbers none.
ConsumeQueue* QueueAt(const Arguments& arguments, size_t i, const StoreHandle& handle) {
  int64_t number = 0;
  const bool known = arguments.Integer(i, &number) && number >= 0 && static_cast<size_t>(number) < handle.queues.size();
  return known ? handle.queues[static_cast<size_t>(number)] : nullptr;
}

bool ReadPull(napi_env env, const Arguments& arguments, const StoreHandle& handle, PullRequest* request) {
  int64_t mode = 0;
  request->queue = QueueAt(arguments, 1, handle);
  if (request->queue == nullptr || !arguments.Integer(2, &request->offset) ||
      !arguments.Integer(3, &request->max_messages) || !arguments.Integer(4, &request->max_bytes) ||
      !arguments.Integer(5, &mode)) {
    ThrowArgument(env, "pull takes a queue, an offset, two limits and a mode");
    return false;
  }
  request->copied = mode == 0;
  if (arguments.count() > 6 && !arguments.Is(6, napi_undefined)) {
    const TagList* const list = TagListOf(env, arguments.at(6));
    if (list == nullptr) {
      ThrowArgument(env, "the tags are no list of this addon");
      return false;
    }
    request->tags = &list->tags;
    request->tag_hashes = &list->hashes;
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

// Ranges stand behind the numbers.
void WriteRanges(const PullOutcome& outcome, double* numbers) {
  numbers += kPullNumbers;
  for (const PullRange& range : outcome.ranges) {
    *numbers++ = static_cast<double>(range.log_offset);
    *numbers++ = static_cast<double>(range.size);
  }
}

// pull(store, queue, offset, maxMessages, maxBytes, mode, tags, numbers, into?) → Buffer | undefined: the records,
// where they don't fit into `into`; nothing in the mode for ranges. That it would block is in the numbers.
napi_value Pull(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  PullRequest request;
  if (handle == nullptr || !ReadPull(env, arguments, *handle, &request)) return nullptr;
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!arguments.Bytes(7, &bytes, &length) || length < kPullNumbers * sizeof(double))
    return ThrowArgument(env, "pull takes an array for its numbers");
  auto* const numbers = reinterpret_cast<double*>(bytes);
  PullOutcome outcome;
  request.cached_only = true;
  request.windows = &handle->unit_windows;
  Status status = handle->store().Pull(request, &outcome);
  if (!status.ok()) return Throw(env, status);
  napi_value value = Undefined(env);
  if (!request.copied) {
    if (length < (kPullNumbers + 2 * outcome.ranges.size()) * sizeof(double))
      return ThrowArgument(env, "the array for the ranges is too short");
    WriteRanges(outcome, numbers);
  } else if (!outcome.ranges.empty() && !outcome.would_block) {
    const auto room = static_cast<size_t>(outcome.bytes);
    uint8_t* into = nullptr;
    size_t into_bytes = 0;
    void* data = nullptr;
    if (arguments.Bytes(8, &into, &into_bytes) && into_bytes >= room) {
      data = into;
    } else if (napi_create_buffer(env, room, &data, &value) != napi_ok) {
      return Throw(env, Status::Error(Code::kUnknownError, "no memory for " + std::to_string(room) + " bytes"));
    }
    status = handle->store().CopyPulled(request, &outcome, static_cast<uint8_t*>(data));
    if (!status.ok()) return Throw(env, status);
    const auto kept = static_cast<size_t>(outcome.bytes);
    if (data != into && kept < room) value = Copy(env, data, kept);
  }
  WriteNumbers(outcome, numbers);
  if (!outcome.mismatches.empty()) handle->mismatches = std::move(outcome.mismatches);
  return value;
}

// The same off the loop, for pages that are not in memory → Promise<{numbers, value}>
napi_value PullCold(napi_env env, napi_callback_info info) {
  struct Cold {
    PullRequest request;
    TagList tags;
    PullOutcome outcome;
    std::vector<uint8_t> records;
  };
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  auto cold = std::make_shared<Cold>();
  if (handle == nullptr || !ReadPull(env, arguments, *handle, &cold->request)) return nullptr;
  if (cold->request.tags != nullptr) {  // the list may be collected while the pool reads
    cold->tags = {*cold->request.tags, *cold->request.tag_hashes};
    cold->request.tags = &cold->tags.tags;
    cold->request.tag_hashes = &cold->tags.hashes;
  }
  return RunOnPool(
      env, handle->shared(),
      [cold](PoolWork& work) {
        work.status = work.store->Pull(cold->request, &cold->outcome);
        if (!work.status.ok() || !cold->request.copied) return;
        cold->records.resize(static_cast<size_t>(cold->outcome.bytes));
        work.status = work.store->CopyPulled(cold->request, &cold->outcome, cold->records.data());
        cold->records.resize(static_cast<size_t>(cold->outcome.bytes));
      },
      [cold, handle](napi_env e, PoolWork&) -> napi_value {
        napi_value buffer = nullptr, array = nullptr;
        void* data = nullptr;
        const size_t length = kPullNumbers + 2 * cold->outcome.ranges.size();
        // Neither can be made in an environment that is being torn down, and nobody waits for them there.
        if (napi_create_arraybuffer(e, length * sizeof(double), &data, &buffer) != napi_ok ||
            napi_create_typedarray(e, napi_float64_array, length, buffer, 0, &array) != napi_ok)
          return nullptr;
        WriteNumbers(cold->outcome, static_cast<double*>(data));
        WriteRanges(cold->outcome, static_cast<double*>(data));
        napi_value result = Object(e);
        if (!cold->outcome.mismatches.empty() && !handle->released())
          handle->mismatches = std::move(cold->outcome.mismatches);
        Set(e, result, "numbers", array);
        if (!cold->records.empty()) Set(e, result, "value", Copy(e, cold->records.data(), cold->records.size()));
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
    std::vector<uint8_t> bytes;
    const Status copy = handle->store().log().Copy(offset, size, offset + size, &bytes);
    return copy.ok() ? Copy(env, bytes.data(), bytes.size()) : Throw(env, copy);
  }
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  return RunOnPool(
      env, handle->shared(),
      [offset, bytes](PoolWork& work) {
        int32_t found = 0;
        bool in_memory = true;
        work.status = work.store->RecordAt(offset, false, &found, &in_memory);
        if (!work.status.ok() || found == 0) return;
        work.status = work.store->log().Copy(offset, found, offset + found, bytes.get());
      },
      [bytes](napi_env e, PoolWork&) -> napi_value {
        return bytes->empty() ? Undefined(e) : Copy(e, bytes->data(), bytes->size());
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
  for (ConsumeQueue* queue : handle->store().queues().InOrder()) {
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
  if (handle == nullptr) return nullptr;
  ConsumeQueue* const queue = QueueAt(arguments, 1, *handle);
  if (queue == nullptr) return ThrowArgument(env, "no such queue number");
  napi_value array = nullptr;
  napi_create_array_with_length(env, 2, &array);
  napi_set_element(env, array, 0, Number(env, static_cast<double>(queue->min_offset())));
  napi_set_element(env, array, 1, Number(env, static_cast<double>(handle->store().VisibleMaxOffset(queue))));
  return array;
}

// readUnits(store, queue, offset, count) → Buffer of encoded units, shorter at the end of the queue or of a file
napi_value ReadUnits(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  int64_t offset = 0, count = 0;
  if (handle == nullptr) return nullptr;
  ConsumeQueue* const queue = QueueAt(arguments, 1, *handle);
  if (queue == nullptr || !arguments.Integer(2, &offset) || offset < 0 || !arguments.Integer(3, &count) || count < 0 ||
      count > 1 << 20)
    return ThrowArgument(env, "readUnits takes a queue, an offset and a count");
  std::vector<uint8_t> units(static_cast<size_t>(count) * kUnitBytes);
  int64_t got = 0;
  const Status status = queue->Read(offset, count, units.data(), &got);
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
  std::vector<int64_t> offsets;
  const Status status = handle->store().index().Query(topic, key, static_cast<size_t>(limit), begin, end, &offsets);
  // An index file goes when all of its records are gone.
  std::erase_if(offsets, [min = handle->store().min_log_offset()](int64_t offset) { return offset < min; });
  return status.ok() ? Numbers(env, offsets) : Throw(env, status);
}

// findMessages(store, topic, key, limit, begin, end) → Promise<log offsets, newest first>: records whose key it is
napi_value FindMessages(napi_env env, napi_callback_info info) {
  struct Asked {
    std::string topic, key;
    int64_t limit = 0, begin = 0, end = 0;
    std::vector<int64_t> log_offsets;
  };
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  auto asked = std::make_shared<Asked>();
  if (!arguments.String(1, &asked->topic) || !arguments.String(2, &asked->key) ||
      !arguments.Integer(3, &asked->limit) || asked->limit < 0 || !arguments.Integer(4, &asked->begin) ||
      !arguments.Integer(5, &asked->end))
    return ThrowArgument(env, "findMessages takes a topic, a key, a limit and two times");
  return RunOnPool(
      env, handle->shared(),
      [asked](PoolWork& work) {
        work.status =
            work.store->FindKey({asked->topic, asked->key, static_cast<size_t>(asked->limit), asked->begin, asked->end},
                                &asked->log_offsets);
      },
      [asked](napi_env e, PoolWork&) { return Numbers(e, asked->log_offsets); });
}

// offsetByTime(store, queue, time, rule) → Promise<queue offset>; rule: 0 lower, 1 upper, 2 nearest
napi_value OffsetByTime(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  ConsumeQueue* const queue = QueueAt(arguments, 1, *handle);
  int64_t time = 0, rule = 0;
  if (queue == nullptr || !arguments.Integer(2, &time) || !arguments.Integer(3, &rule) || rule < 0 || rule > 2)
    return ThrowArgument(env, "offsetByTime takes a queue, a time and a rule");
  auto offset = std::make_shared<int64_t>(0);
  return RunOnPool(
      env, handle->shared(),
      [=](PoolWork& work) {
        work.status = work.store->OffsetByTime(queue, time, static_cast<TimeRule>(rule), offset.get());
      },
      [offset](napi_env e, PoolWork&) { return Number(e, static_cast<double>(*offset)); });
}

// timeSpan(store, queue | undefined) → Promise<[earliest, latest]>, of the whole log without a queue; -1: nothing there
napi_value TimeSpan(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  ConsumeQueue* const queue = QueueAt(arguments, 1, *handle);
  if (queue == nullptr && !arguments.Is(1, napi_undefined)) return ThrowArgument(env, "no such queue number");
  auto times = std::make_shared<std::vector<int64_t>>(2);
  return RunOnPool(
      env, handle->shared(),
      [=](PoolWork& work) { work.status = work.store->TimeSpan(queue, &(*times)[0], &(*times)[1]); },
      [times](napi_env e, PoolWork&) { return Numbers(e, *times); });
}

napi_value Refresh(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  const Status status = handle->store().Refresh();
  return status.ok() ? Undefined(env) : Throw(env, status);
}

// refreshCold(store) → Promise<void>: off the loop, for what another process has appended may have to come from disk.
napi_value RefreshCold(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  return RunOnPool(
      env, handle->shared(), [](PoolWork& work) { work.status = work.store->Refresh(); },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

}  // namespace

void ExportRead(napi_env env, napi_value exports) {
  Export(env, exports, "createTags", CreateTags);
  Export(env, exports, "pull", Pull);
  Export(env, exports, "pullCold", PullCold);
  Export(env, exports, "mismatches", Mismatches);
  Export(env, exports, "recordAt", RecordAt);
  Export(env, exports, "listQueues", ListQueues);
  Export(env, exports, "bounds", Bounds);
  Export(env, exports, "readUnits", ReadUnits);
  Export(env, exports, "queryIndex", QueryIndex);
  Export(env, exports, "findMessages", FindMessages);
  Export(env, exports, "offsetByTime", OffsetByTime);
  Export(env, exports, "timeSpan", TimeSpan);
  Export(env, exports, "refresh", Refresh);
  Export(env, exports, "refreshCold", RefreshCold);
}

}  // namespace millrace::js
