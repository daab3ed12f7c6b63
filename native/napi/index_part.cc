// The index that is open alone: all of its files, or one.
#include <algorithm>

#include "../core/index_file.h"
#include "part.h"

namespace millrace::js {
namespace {

// What both kinds answer.
class IndexPart : public Part {
 public:
  static bool Is(Kind kind) { return kind == Kind::kIndex || kind == Kind::kIndexFile; }
  using Part::Part;

  virtual const IndexSizes& sizes() const = 0;
  virtual Status Query(std::string_view topic, std::string_view key, size_t limit, int64_t begin, int64_t end,
                       std::vector<int64_t>* offsets) const = 0;
  // *put is false where a file is full.
  Status Put(int32_t hash, int64_t log_offset, int64_t store_timestamp, bool* put) {
    std::lock_guard lock(mutex_);
    MILLRACE_RETURN_IF_ERROR(WhyNotWritable());
    return PutEntry(hash, log_offset, store_timestamp, put);
  }

 protected:
  virtual Status PutEntry(int32_t hash, int64_t log_offset, int64_t store_timestamp, bool* put) = 0;
};

class IndexFilePart : public IndexPart {
 public:
  static bool Is(Kind kind) { return kind == Kind::kIndexFile; }
  explicit IndexFilePart(PartOptions options) : IndexPart(Kind::kIndexFile, std::move(options)) {}

  const IndexSizes& sizes() const override { return file_->sizes(); }

  Status Query(std::string_view topic, std::string_view key, size_t limit, int64_t begin, int64_t end,
               std::vector<int64_t>* offsets) const override {
    return file_->Query(IndexKeyHash(topic, key), limit, begin, end, offsets);
  }

  // Header, and behind it the entries from `from` on: a small index file without slots.
  Status ReadEntries(int64_t from, int64_t count, std::vector<uint8_t>* out) const {
    const uint8_t* const base = file_->base();
    const int64_t next = std::clamp<int64_t>(static_cast<int32_t>(Load32(base + 36)), 1, sizes().entries);
    from = std::clamp<int64_t>(from, 1, next);
    count = std::clamp<int64_t>(count, 0, next - from);
    out->assign(base, base + kIndexHeaderBytes);
    const uint8_t* const entries = base + kIndexHeaderBytes + kIndexSlotBytes * sizes().slots + kIndexEntryBytes * from;
    out->insert(out->end(), entries, entries + kIndexEntryBytes * count);
    return file_->Readable();
  }

 protected:
  Status Load() override {
    const std::string& path = options().path;
    FileInfo info;
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(files()->Stat(path, &info, &exists));
    if (!exists) return Status::Error(Code::kNoStore, "there is no such file", path);
    if (info.kind == DirectoryEntry::Kind::kLink) return Status::Error(Code::kUnsafePath, "is a symbolic link", path);
    if (info.kind != DirectoryEntry::Kind::kFile) return Status::Error(Code::kForeignFile, "is no file", path);
    IndexSizes sizes{options().slots, options().entries};
    if (sizes.slots > 0 ? sizes.file_bytes() != info.bytes : !IndexSizes::FromLength(info.bytes, &sizes))
      return Status::Error(Code::kIndexSizeUnknown,
                           "has " + std::to_string(info.bytes) + " bytes, from which " +
                               (sizes.slots > 0 ? "other numbers" : "the numbers") + " of slots and entries follow" +
                               (sizes.slots > 0 ? "" : " only if there are four entries to a slot"),
                           path, info.bytes);
    file_ = std::make_unique<IndexFile>(files(), path, sizes, !options().read_only);
    return file_->Open();
  }

  Status PutEntry(int32_t hash, int64_t log_offset, int64_t store_timestamp, bool* put) override {
    *put = false;
    if (file_->full()) return Status::Ok();
    MILLRACE_RETURN_IF_ERROR(file_->Reserve(1));
    *put = file_->Put(hash, log_offset, store_timestamp);
    return file_->Readable();
  }

  Status Sync() override { return file_->Sync(); }

 private:
  std::unique_ptr<IndexFile> file_;
};

class IndexFilesPart : public IndexPart {
 public:
  explicit IndexFilesPart(PartOptions options) : IndexPart(Kind::kIndex, std::move(options)) {}

  const IndexSizes& sizes() const override { return index_->sizes(); }

  Status Query(std::string_view topic, std::string_view key, size_t limit, int64_t begin, int64_t end,
               std::vector<int64_t>* offsets) const override {
    return index_->Query(topic, key, limit, begin, end, offsets);
  }

 protected:
  Status Load() override {
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(CheckPlace(&exists));
    if (!exists) MILLRACE_RETURN_IF_ERROR(MakeFolders(files(), options().path));
    IndexFiles::Options with;
    with.paths.index = options().path;
    with.paths.root = options().path.substr(0, std::max<size_t>(1, options().path.rfind('/')));
    with.paths.work = options().work;
    with.sizes_given = options().slots > 0;
    if (with.sizes_given) with.sizes = {options().slots, options().entries};
    with.writable = !options().read_only;
    index_ = std::make_unique<IndexFiles>(files(), std::move(with));
    return index_->Load();
  }

  Status PutEntry(int32_t hash, int64_t log_offset, int64_t store_timestamp, bool* put) override {
    MILLRACE_RETURN_IF_ERROR(index_->Prepare(1));
    index_->Put(hash, log_offset, store_timestamp);
    *put = true;
    return index_->files().back()->Readable();
  }

  Status Sync() override { return index_->Sync(); }

 private:
  std::unique_ptr<IndexFiles> index_;
};

// openIndex({path, work, lock, readOnly, slots, entries}) → Promise<index>
napi_value OpenIndex(napi_env env, napi_callback_info info) {
  return OpenPart(env, info, [](PartOptions options) -> std::shared_ptr<Part> {
    return std::make_shared<IndexFilesPart>(std::move(options));
  });
}

// openIndexFile({path, work, lock, readOnly, slots, entries}) → Promise<index file>
napi_value OpenIndexFile(napi_env env, napi_callback_info info) {
  return OpenPart(env, info, [](PartOptions options) -> std::shared_ptr<Part> {
    return std::make_shared<IndexFilePart>(std::move(options));
  });
}

// indexSizes(index or index file) → [slots, entries]
napi_value IndexSizesOf(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<IndexPart>(env, arguments.at(0));
  if (!part) return nullptr;
  return Numbers(env, {part->sizes().slots, part->sizes().entries});
}

// findKey(index or index file, topic, key, limit, begin, end) → log offsets, newest first
napi_value FindKey(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<IndexPart>(env, arguments.at(0));
  std::string topic, key;
  int64_t limit = 0, begin = 0, end = 0;
  if (!part) return nullptr;
  if (!arguments.String(1, &topic) || !arguments.String(2, &key) || !arguments.Integer(3, &limit) || limit < 0 ||
      !arguments.Integer(4, &begin) || !arguments.Integer(5, &end))
    return ThrowArgument(env, "findKey takes a topic, a key, a limit and two times");
  std::vector<int64_t> offsets;
  const Status status = part->Query(topic, key, static_cast<size_t>(limit), begin, end, &offsets);
  if (!status.ok()) return Throw(env, status);
  return Numbers(env, offsets);
}

// putKey(index or index file, topic, key, logOffset, storeTimestamp) → false when the file is full
napi_value PutKey(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<IndexPart>(env, arguments.at(0));
  std::string topic, key;
  int64_t offset = 0, time = 0;
  bool put = false;
  if (!part) return nullptr;
  if (!arguments.String(1, &topic) || !arguments.String(2, &key) || !arguments.Integer(3, &offset) || offset < 0 ||
      !arguments.Integer(4, &time) || time < 0)
    return ThrowArgument(env, "an entry is a topic, a key, a log offset and a store time");
  const Status status = part->Put(IndexKeyHash(topic, key), offset, time, &put);
  return status.ok() ? Boolean(env, put) : Throw(env, status);
}

// readIndexEntries(index file, from, count) → Buffer: the header, and the entries from a number on
napi_value ReadIndexEntries(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const auto part = PartOf<IndexFilePart>(env, arguments.at(0));
  int64_t from = 0, count = 0;
  if (!part) return nullptr;
  if (!arguments.Integer(1, &from) || !arguments.Integer(2, &count))
    return ThrowArgument(env, "readIndexEntries takes a number and a count");
  std::vector<uint8_t> bytes;
  const Status status = part->ReadEntries(from, count, &bytes);
  if (!status.ok()) return Throw(env, status);
  return Copy(env, bytes.data(), bytes.size());
}

}  // namespace

void ExportIndexPart(napi_env env, napi_value exports) {
  Export(env, exports, "openIndex", OpenIndex);
  Export(env, exports, "openIndexFile", OpenIndexFile);
  Export(env, exports, "indexSizes", IndexSizesOf);
  Export(env, exports, "findKey", FindKey);
  Export(env, exports, "putKey", PutKey);
  Export(env, exports, "readIndexEntries", ReadIndexEntries);
}

}  // namespace millrace::js
