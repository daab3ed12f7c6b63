// A queue that is open alone.
#include <algorithm>

#include "../core/consume_queue.h"
#include "part.h"

namespace millrace::js {
namespace {

constexpr int64_t kDefaultFileBytes = 6000000;
constexpr int64_t kWindowUnits = 800;
constexpr int32_t kFillerSize = 0x7FFFFFFF;

bool Written(const QueueUnit& unit) { return unit.log_offset >= 0 && unit.size > 0; }
bool Filler(const QueueUnit& unit) { return unit.log_offset == 0 && unit.size == kFillerSize; }

class QueuePart : public Part {
 public:
  static bool Is(Kind kind) { return kind == Kind::kQueue; }
  explicit QueuePart(PartOptions options) : Part(Kind::kQueue, std::move(options)) {}

  ConsumeQueue& queue() const { return *queue_; }

  Status Put(const QueueUnit& unit, int64_t* offset) {
    std::lock_guard lock(mutex_);
    MILLRACE_RETURN_IF_ERROR(WhyNotWritable());
    MILLRACE_RETURN_IF_ERROR(queue_->Prepare(1));
    *offset = queue_->max_offset();
    queue_->Put(unit);
    return Status::Ok();
  }

 protected:
  Status Load() override {
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(CheckPlace(&exists));
    if (!options().read_only) MILLRACE_RETURN_IF_ERROR(MakeFolders(files(), options().queues));
    ConsumeQueues::Options with;
    with.paths.queues = options().queues;
    with.paths.work = options().work;
    with.file_bytes = options().file_bytes;
    if (with.file_bytes == 0) with.file_bytes = FoundLength(files(), options().path, 0);
    if (with.file_bytes == 0) with.file_bytes = kDefaultFileBytes;
    with.file_bytes = (with.file_bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes;
    with.writable = !options().read_only;
    queues_ = std::make_unique<ConsumeQueues>(files(), with);
    queue_ = queues_->GetOrMake(options().topic, options().queue_id);
    if (queue_ == nullptr)
      return Status::Error(Code::kInvalidArgument, "is no folder of a topic's queue", options().path);
    if (!options().read_only) MILLRACE_RETURN_IF_ERROR(queues_->Start());
    if (!exists) return queue_->SetBounds(0, 0);
    MILLRACE_RETURN_IF_ERROR(queue_->Load());
    int64_t min = 0, max = 0;
    MILLRACE_RETURN_IF_ERROR(FindBounds(&min, &max));
    if (!options().read_only && !options().cut) MILLRACE_RETURN_IF_ERROR(CheckBehind(max));
    return queue_->SetBounds(min, max);
  }

  Status Sync() override {
    {
      std::lock_guard lock(mutex_);
      MILLRACE_RETURN_IF_ERROR(queue_->WriteOut());
    }
    return queues_->Sync();
  }

  void Stop() override {
    if (queues_) queues_->descriptors().Clear();
  }

 private:
  int64_t units_per_file() const { return queues_->options().file_bytes / kUnitBytes; }

  // The first unit from `from` on that is not `wanted`, below `to`.
  Status Skip(int64_t from, int64_t to, bool (*wanted)(const QueueUnit&), int64_t* end) {
    std::vector<uint8_t> window(static_cast<size_t>(kWindowUnits * kUnitBytes));
    for (*end = from; *end < to;) {
      int64_t got = 0;
      MILLRACE_RETURN_IF_ERROR(queue_->Read(*end, std::min(kWindowUnits, to - *end), window.data(), &got));
      if (got == 0) break;
      for (int64_t i = 0; i < got; i++, ++*end)
        if (!wanted(DecodeUnit(window.data() + i * kUnitBytes))) return Status::Ok();
    }
    return Status::Ok();
  }

  // The units end in the last file that has any; what fills a first file up to its first unit is none.
  Status FindBounds(int64_t* min, int64_t* max) {
    const int64_t begin = queue_->files_begin(), end = queue_->has_files() ? queue_->files_end() : begin;
    *max = begin;
    for (int64_t file = end - units_per_file(); file >= begin && *max == begin; file -= units_per_file()) {
      int64_t units_end = file;
      MILLRACE_RETURN_IF_ERROR(Skip(file, file + units_per_file(), Written, &units_end));
      if (units_end > file) *max = units_end;
    }
    return Skip(begin, *max, Filler, min);
  }

  // To begin writing is to make zero what lies behind the end: refused where that is units behind a hole.
  Status CheckBehind(int64_t end) {
    for (int64_t file = end / units_per_file(); file * units_per_file() < queue_->files_end(); file++) {
      const int64_t begin = file * units_per_file();
      if (begin < queue_->files_begin()) continue;
      const std::string path = options().path + "/" + SegmentName(file * queues_->options().file_bytes);
      bool holds = false;
      MILLRACE_RETURN_IF_ERROR(HoldsData(files(), path, std::max<int64_t>(0, end - begin) * kUnitBytes,
                                         queues_->options().file_bytes, &holds));
      if (holds)
        return Status::Error(
            Code::kCorruptQueue,
            "behind its last unit, " + std::to_string(end - 1) + ", lies something that writing would destroy", path);
    }
    return Status::Ok();
  }

  std::unique_ptr<ConsumeQueues> queues_;
  ConsumeQueue* queue_ = nullptr;
};

// openQueue({path, work, lock, readOnly, cut, fileBytes, queues, topic, queueId}) → Promise<queue>
napi_value OpenQueue(napi_env env, napi_callback_info info) {
  return OpenPart(env, info, [](PartOptions options) -> std::shared_ptr<Part> {
    return std::make_shared<QueuePart>(std::move(options));
  });
}

// queueBounds(queue) → [min, max]
napi_value QueueBounds(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<QueuePart>(env, arguments.at(0));
  if (!part) return nullptr;
  return Numbers(env, {part->queue().min_offset(), part->queue().max_offset()});
}

// queueUnits(queue, offset, count) → Buffer: encoded units, at most to the end of their file
napi_value QueueUnits(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<QueuePart>(env, arguments.at(0));
  int64_t offset = 0, count = 0, got = 0;
  if (!part) return nullptr;
  if (!arguments.Integer(1, &offset) || !arguments.Integer(2, &count))
    return ThrowArgument(env, "queueUnits takes an offset and a count");
  std::vector<uint8_t> units(static_cast<size_t>(std::clamp<int64_t>(count, 0, kWindowUnits) * kUnitBytes));
  const Status status = part->queue().Read(offset, std::min(count, kWindowUnits), units.data(), &got);
  if (!status.ok()) return Throw(env, status);
  return Copy(env, units.data(), static_cast<size_t>(got * kUnitBytes));
}

// putUnit(queue, logOffset, size, tagCode) → its queue offset
napi_value PutUnit(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<QueuePart>(env, arguments.at(0));
  int64_t log_offset = 0, size = 0, tag_code = 0, offset = 0;
  bool exact = false;
  if (!part) return nullptr;
  if (!arguments.Integer(1, &log_offset) || log_offset < 0 || !arguments.Integer(2, &size) || size <= 0 ||
      size > INT32_MAX || arguments.count() < 4 ||
      napi_get_value_bigint_int64(env, arguments.at(3), &tag_code, &exact) != napi_ok || !exact)
    return ThrowArgument(env, "a unit is a log offset, a size above 0 and a tag code of 64 bits");
  const Status status = part->Put({log_offset, static_cast<int32_t>(size), tag_code}, &offset);
  return status.ok() ? Number(env, static_cast<double>(offset)) : Throw(env, status);
}

}  // namespace

void ExportQueuePart(napi_env env, napi_value exports) {
  Export(env, exports, "openQueue", OpenQueue);
  Export(env, exports, "queueBounds", QueueBounds);
  Export(env, exports, "queueUnits", QueueUnits);
  Export(env, exports, "putUnit", PutUnit);
}

}  // namespace millrace::js
