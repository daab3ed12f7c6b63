// A commit log that is open alone, and ranges of any log.
#include <algorithm>
#include <atomic>

#include "../core/commit_log.h"
#include "../core/store_paths.h"
#include "part.h"

namespace millrace::js {
namespace {

constexpr int64_t kDefaultSegmentBytes = int64_t{1} << 30;

class LogPart : public Part {
 public:
  static bool Is(Kind kind) { return kind == Kind::kLog; }
  explicit LogPart(PartOptions options) : Part(Kind::kLog, std::move(options)) {}

  CommitLog& log() const { return *log_; }
  int64_t flushed() const { return flushed_; }
  int64_t syncs() const { return syncs_; }
  int64_t sync_nanoseconds() const { return sync_nanoseconds_; }
  std::atomic<int64_t> confirmed{-1};

  // Size of the record at an offset, 0 where none begins.
  Status RecordAt(int64_t offset, std::vector<uint8_t>* out) const {
    std::shared_ptr<Segment> segment;
    const int64_t end = log_->published();
    if (offset < log_->min_offset() || offset >= end) return Status::Ok();
    MILLRACE_RETURN_IF_ERROR(log_->Find(offset, &segment));
    if (!segment) return Status::Ok();
    const int64_t at = offset - segment->from();
    const RecordView view =
        CheckRecord(segment->base() + at, std::min(segment->bytes() - at, end - offset), offset, false);
    MILLRACE_RETURN_IF_ERROR(segment->Readable(offset));
    return view.found == Found::kRecord ? log_->Copy(offset, view.size, end, out) : Status::Ok();
  }

  // As the store's: bytes that follow the log exactly; an empty log begins at any segment.
  Status AppendRaw(int64_t offset, const uint8_t* bytes, size_t count) {
    std::lock_guard lock(mutex_);
    MILLRACE_RETURN_IF_ERROR(WhyNotWritable());
    if (log_->end() == 0 && log_->segments()->empty() && offset > 0 && offset % log_->segment_bytes() == 0) {
      MILLRACE_RETURN_IF_ERROR(log_->Start(offset));
      flushed_ = offset;
    }
    if (offset != log_->end())
      return Status::Error(Code::kAppendGap,
                           "bytes of log offset " + std::to_string(offset) + " do not follow the log, which ends at " +
                               std::to_string(log_->end()),
                           options().path, log_->end());
    bool poisoned = false;
    const Status status = log_->WriteRaw(bytes, count, &poisoned);
    if (poisoned) Fail(status);
    written_ = log_->end();
    MILLRACE_RETURN_IF_ERROR(status);
    int64_t whole = 0;
    MILLRACE_RETURN_IF_ERROR(Walk(log_->published(), written_, &whole));
    log_->Publish(whole);
    return Status::Ok();
  }

  // Segments and records that another process has added.
  Status Refresh() {
    if (!options().read_only) return Status::Ok();
    std::lock_guard lock(mutex_);
    MILLRACE_RETURN_IF_ERROR(log_->Refresh());
    const auto segments = log_->segments();
    if (segments->empty()) return Status::Ok();
    int64_t end = 0;
    MILLRACE_RETURN_IF_ERROR(Walk(std::max(log_->published(), segments->front()->from()), kUnknown, &end));
    log_->Publish(end);
    written_ = flushed_ = end;
    return Status::Ok();
  }

  int64_t written() const { return written_; }

 protected:
  Status Load() override {
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(CheckPlace(&exists));
    if (!exists) MILLRACE_RETURN_IF_ERROR(MakeFolders(files(), options().path));
    int64_t bytes = options().file_bytes;
    if (bytes == 0) bytes = FoundLength(files(), options().path, 0);
    if (bytes == 0) bytes = kDefaultSegmentBytes;
    log_ = std::make_unique<CommitLog>(
        files(), CommitLog::Options{{{options().path, options().work}}, bytes, !options().read_only});
    MILLRACE_RETURN_IF_ERROR(log_->Load());
    const auto segments = log_->segments();
    int64_t end = 0;
    if (!segments->empty()) {
      size_t last = segments->size() - 1;  // that holds anything: a process that died may have made another ahead
      for (; last > 0; last--) {
        MILLRACE_RETURN_IF_ERROR((*segments)[last]->Open());
        if (Get64((*segments)[last]->base()) != 0) break;
      }
      MILLRACE_RETURN_IF_ERROR(Walk((*segments)[last]->from(), kUnknown, &end));
    }
    if (!options().read_only && !options().cut) MILLRACE_RETURN_IF_ERROR(CheckBehind(end));
    MILLRACE_RETURN_IF_ERROR(log_->Start(end));
    if (!options().read_only) MILLRACE_RETURN_IF_ERROR(SyncLog(0, end));
    written_ = flushed_ = end;
    return Status::Ok();
  }

  Status Sync() override {
    const int64_t to = written_;
    const auto started = std::chrono::steady_clock::now();
    MILLRACE_RETURN_IF_ERROR(SyncLog(flushed_, to));
    sync_nanoseconds_ +=
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - started).count();
    syncs_++;
    flushed_ = to;
    return Status::Ok();
  }

  void Stop() override {
    if (!log_) return;
    std::lock_guard lock(mutex_);
    // The beginning of a record is given up, so that the log ends as it will be found.
    if (WhyNotWritable().ok() && log_->end() > log_->published()) (void)log_->Start(log_->published());
    log_->Stop();
  }

 private:
  static constexpr int64_t kUnknown = -1;

  Status SyncLog(int64_t from, int64_t to) {
    Status status = log_->Sync(from, std::max<int64_t>(to, 1));
    if (!status.ok()) status.code = Code::kSyncFailed;
    return status;
  }

  // Where the records from an offset on end. Nothing is looked at behind `written`, where that is known; a blank record
  // that nothing follows does not count, as in Java.
  Status Walk(int64_t from, int64_t written, int64_t* end) const {
    const auto segments = log_->segments();
    *end = from;
    while (const auto segment = CommitLog::FindIn(*segments, *end, log_->segment_bytes())) {
      MILLRACE_RETURN_IF_ERROR(segment->Open());
      const int64_t at = *end - segment->from();
      const int64_t available =
          written == kUnknown ? segment->bytes() - at : std::min(segment->bytes() - at, written - *end);
      if (available < kBlankBytes) break;
      const RecordView view = CheckRecord(segment->base() + at, available, *end, true);
      MILLRACE_RETURN_IF_ERROR(segment->Readable(*end));
      if (view.found == Found::kBlank) {
        if (segment == segments->back() && segment->end() > written) break;
        *end = segment->end();
      } else if (view.found == Found::kRecord) {
        *end += view.size;
      } else {
        break;
      }
    }
    return Status::Ok();
  }

  // To begin writing is to make zero what lies behind the end. That may be records behind damage: refused.
  Status CheckBehind(int64_t end) const {
    const auto segments = log_->segments();
    for (const auto& segment : *segments) {
      if (segment->end() <= end) continue;
      int64_t from = std::max<int64_t>(0, end - segment->from());
      if (from + kBlankBytes <= segment->bytes() && segment->from() <= end) {
        MILLRACE_RETURN_IF_ERROR(segment->Open());
        if (Get32(segment->base() + from + 4) == kBlankMagic) from += kBlankBytes;
      }
      bool holds = false;
      MILLRACE_RETURN_IF_ERROR(HoldsData(files(), segment->path(), from, segment->bytes(), &holds));
      if (holds)
        return Status::Error(Code::kCorruptLog,
                             "behind the last whole record, which ends at log offset " + std::to_string(end) +
                                 ", lies something that writing would destroy",
                             segment->path(), end);
    }
    return Status::Ok();
  }

  std::unique_ptr<CommitLog> log_;
  std::atomic<int64_t> written_{0}, flushed_{0}, syncs_{0}, sync_nanoseconds_{0};
};

// openLog({path, work, lock, readOnly, cut, fileBytes}) → Promise<log>
napi_value OpenLog(napi_env env, napi_callback_info info) {
  return OpenPart(env, info, [](PartOptions options) -> std::shared_ptr<Part> {
    return std::make_shared<LogPart>(std::move(options));
  });
}

// logSegmentBytes(log) → what openLog found
napi_value LogSegmentBytes(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<LogPart>(env, arguments.at(0));
  return part ? Number(env, static_cast<double>(part->log().segment_bytes())) : nullptr;
}

// logNumbers(log, array): in the order of numbers() of a store
napi_value LogNumbers(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<LogPart>(env, arguments.at(0));
  if (!part) return nullptr;
  const CommitLog& log = part->log();
  const auto published = static_cast<double>(log.published());
  const double numbers[] = {0,
                            static_cast<double>(log.min_offset()),
                            static_cast<double>(part->written()),
                            published,
                            static_cast<double>(part->flushed()),
                            static_cast<double>(part->confirmed),
                            static_cast<double>(part->syncs()),
                            static_cast<double>(part->sync_nanoseconds()),
                            static_cast<double>(log.keeper().populated_bytes()),
                            static_cast<double>(log.copied_appends()),
                            static_cast<double>(log.written_appends()),
                            0};
  uint8_t* out = nullptr;
  size_t bytes = 0;
  if (!arguments.Bytes(1, &out, &bytes) || bytes < sizeof numbers)
    return ThrowArgument(env, "logNumbers takes an array");
  memcpy(out, numbers, sizeof numbers);
  return Undefined(env);
}

// setLogConfirmOffset(log, logOffset)
napi_value SetLogConfirmOffset(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<LogPart>(env, arguments.at(0));
  int64_t offset = 0;
  if (!part) return nullptr;
  if (!arguments.Integer(1, &offset)) return ThrowArgument(env, "the confirm offset is a whole number");
  part->confirmed = offset;
  return Undefined(env);
}

// logRecordAt(log, logOffset) → Promise<Buffer | undefined>
napi_value LogRecordAt(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<LogPart>(env, arguments.at(0));
  int64_t offset = 0;
  if (!part) return nullptr;
  if (!arguments.Integer(1, &offset)) return ThrowArgument(env, "a log offset is a whole number");
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  return RunOnPool(
      env, nullptr, [part, offset, bytes](PoolWork& work) { work.status = part->RecordAt(offset, bytes.get()); },
      [bytes](napi_env e, PoolWork&) { return bytes->empty() ? Undefined(e) : Copy(e, bytes->data(), bytes->size()); });
}

// The log of a store or one that is open alone, and how far it may be read.
struct AnyLog {
  std::shared_ptr<LogPart> part;
  std::shared_ptr<Store> store;

  // False with an exception.
  bool Read(napi_env env, napi_value value) {
    if (IsPart(env, value)) {
      part = PartOf<LogPart>(env, value);
    } else if (const StoreHandle* handle = OpenHandle(env, value)) {
      store = handle->shared();
    }
    return part || store;
  }
  const CommitLog& log() const { return part ? part->log() : store->log(); }
  int64_t end() const { return part ? part->log().published() : store->visible_end(); }
};

// readLog(store or log, logOffset, maxBytes) → Promise<{bytes: Buffer, start, next}>: whole records of one segment
napi_value ReadLog(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  AnyLog source;
  int64_t offset = 0, limit = 0;
  if (!source.Read(env, arguments.at(0))) return nullptr;
  if (!arguments.Integer(1, &offset) || !arguments.Integer(2, &limit))
    return ThrowArgument(env, "readLog takes a log offset and a limit");
  auto piece = std::make_shared<LogPiece>();
  return RunOnPool(
      env, source.store,
      [source, offset, limit, piece](PoolWork& work) {
        work.status = source.log().CopyRecords(offset, limit, source.end(), piece.get());
      },
      [piece](napi_env e, PoolWork&) {
        napi_value result = Object(e);
        Set(e, result, "bytes", Copy(e, piece->bytes.data(), piece->bytes.size()));
        Set(e, result, "start", Number(e, static_cast<double>(piece->start)));
        Set(e, result, "next", Number(e, static_cast<double>(piece->next)));
        return result;
      });
}

// readRange(store or log, logOffset, bytes) → Promise<Buffer>: what is visible of it in one segment
napi_value ReadRange(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  AnyLog source;
  int64_t offset = 0, limit = 0;
  if (!source.Read(env, arguments.at(0))) return nullptr;
  if (!arguments.Integer(1, &offset) || !arguments.Integer(2, &limit))
    return ThrowArgument(env, "readRange takes a log offset and a number of bytes");
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  return RunOnPool(
      env, source.store,
      [source, offset, limit, bytes](PoolWork& work) {
        work.status = source.log().Copy(offset, limit, source.end(), bytes.get());
      },
      [bytes](napi_env e, PoolWork&) { return Copy(e, bytes->data(), bytes->size()); });
}

// appendRawToLog(log, logOffset, bytes)
napi_value AppendRawToLog(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<LogPart>(env, arguments.at(0));
  int64_t offset = 0;
  uint8_t* bytes = nullptr;
  size_t count = 0;
  if (!part) return nullptr;
  if (!arguments.Integer(1, &offset) || !arguments.Bytes(2, &bytes, &count))
    return ThrowArgument(env, "appendRawToLog takes a log offset and bytes");
  const Status status = part->AppendRaw(offset, bytes, count);
  return status.ok() ? Undefined(env) : Throw(env, status);
}

// refreshLog(log) → Promise<void>
napi_value RefreshLog(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<LogPart>(env, arguments.at(0));
  if (!part) return nullptr;
  return RunOnPool(
      env, nullptr, [part](PoolWork& work) { work.status = part->Refresh(); },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

}  // namespace

void ExportLogPart(napi_env env, napi_value exports) {
  Export(env, exports, "openLog", OpenLog);
  Export(env, exports, "logSegmentBytes", LogSegmentBytes);
  Export(env, exports, "logNumbers", LogNumbers);
  Export(env, exports, "setLogConfirmOffset", SetLogConfirmOffset);
  Export(env, exports, "logRecordAt", LogRecordAt);
  Export(env, exports, "readLog", ReadLog);
  Export(env, exports, "readRange", ReadRange);
  Export(env, exports, "appendRawToLog", AppendRawToLog);
  Export(env, exports, "refreshLog", RefreshLog);
}

}  // namespace millrace::js
