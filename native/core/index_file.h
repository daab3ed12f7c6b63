// The index: files that map the hash of "topic#key" to log offsets, newest first. One file is
//
//  0         8        16          24        32        36       40          40 + 4H                40 + 4H + 20N
//  ├ begin   ┼ end    ┼ begin log ┼ end log ┼ used    ┼ next   ┼ H slots   ┼ N entries            ┤
//  │ time    │ time   │ offset    │ offset  │ slots   │ number │ i32 each  │ 20 bytes each
//
//  entry   0       4            12        16
//          ├ hash  ┼ log offset ┼ seconds ┼ previous entry of the slot ┤     entry 0 is never used
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "bytes.h"
#include "file_system.h"
#include "mapping_guard.h"
#include "store_paths.h"

namespace millrace {

constexpr int64_t kIndexHeaderBytes = 40;
constexpr int64_t kIndexSlotBytes = 4;
constexpr int64_t kIndexEntryBytes = 20;

struct IndexSizes {
  int32_t slots = 5000000;     // H, maxHashSlotNum
  int32_t entries = 20000000;  // N, maxIndexNum; one fewer is usable
  int64_t file_bytes() const { return kIndexHeaderBytes + kIndexSlotBytes * slots + kIndexEntryBytes * entries; }
  // With RocketMQ's ratio, N = 4H, both follow from a file's length; false where that does not work out.
  static bool FromLength(int64_t bytes, IndexSizes* sizes);
};

// hash of topic + "#" + key as RocketMQ folds it: never negative.
int32_t IndexKeyHash(std::string_view topic, std::string_view key);

class IndexFile {
 public:
  IndexFile(FileSystem* files, std::string path, IndexSizes sizes, bool writable);
  ~IndexFile();
  // Maps an existing file, whose length must be that of the sizes. kCorruptIndex where its header is none.
  Status Open();
  // Makes a new one at `birth_path` that is moved to path() by PutInPlace().
  Status Create(const std::string& birth_path);
  Status PutInPlace();

  const std::string& path() const { return path_; }
  const IndexSizes& sizes() const { return sizes_; }
  bool full() const { return next() >= sizes_.entries; }
  int32_t next() const { return next_.load(std::memory_order_relaxed); }
  int64_t begin_timestamp() const { return LoadI64(base_); }
  int64_t end_timestamp() const { return LoadI64(base_ + 8); }
  int64_t begin_log_offset() const { return LoadI64(base_ + 16); }
  int64_t end_log_offset() const { return LoadI64(base_ + 24); }

  // Blocks for `entries` more; kDiskFull when there are none.
  Status Reserve(int64_t entries);
  // False when full. One thread at a time.
  bool Put(int32_t hash, int64_t log_offset, int64_t store_timestamp);
  // A new file remembers where the one before it ended, as Java's does.
  void SetPrevious(int64_t end_log_offset, int64_t end_timestamp);

  // Log offsets whose entry has this hash and whose time lies in [begin, end], newest first, appended to *out until it
  // holds `limit`.
  Status Query(int32_t hash, size_t limit, int64_t begin, int64_t end, std::vector<int64_t>* out) const;

  // Keeps the entries that point below `log_offset` and makes slots and header anew from them: right whatever a crash
  // left behind them.
  Status CutBack(int64_t log_offset);
  Status Sync();
  // kPageUnreadable once a page of it could not be read: what was read since is in doubt.
  Status Readable() const;
  const uint8_t* base() const { return base_; }

  struct Entry {
    int32_t hash;
    int64_t log_offset;
    int32_t seconds;
    int32_t previous;
  };
  Entry ReadEntry(int32_t number) const;

 private:
  uint8_t* SlotAt(int32_t hash) const { return base_ + kIndexHeaderBytes + kIndexSlotBytes * (hash % sizes_.slots); }
  uint8_t* EntryAt(int32_t number) const {
    return base_ + kIndexHeaderBytes + kIndexSlotBytes * sizes_.slots + kIndexEntryBytes * number;
  }
  void WriteNext(int32_t next) {
    next_.store(next, std::memory_order_relaxed);
    Store32(base_ + 36, static_cast<uint32_t>(next));
  }
  Status Map();
  void Present(int64_t from, int64_t to);

  FileSystem* const files_;
  std::string path_, birth_path_;
  const IndexSizes sizes_;
  const bool writable_;
  int fd_ = -1;
  uint8_t* base_ = nullptr;
  std::atomic<int32_t> next_{1};  // a copy of the header's
  int64_t reserved_ = 0;
  MappingGuard guard_;
};

// All index files of a store.
class IndexFiles {
 public:
  struct Options {
    StorePaths paths;
    IndexSizes sizes;
    bool sizes_given = false;  // by the settings; else they follow from the files
    bool writable = true;
    bool enabled = true;
  };
  IndexFiles(FileSystem* files, Options options) : files_(files), options_(std::move(options)) {}

  // Opens what is there. A length that is not that of the sizes is kIndexSizeUnknown, and nothing is touched.
  Status Load();
  // The last file, if it has no length yet: it holds nothing.
  const std::string& empty_last() const { return empty_last_; }
  bool enabled() const { return options_.enabled; }
  const IndexSizes& sizes() const { return options_.sizes; }

  // -- one thread at a time
  // ------------------------------------------------------------------------------------------------------------ Room
  // for `keys` more entries: makes files and reserves blocks. After it Put() can't fail.
  Status Prepare(int64_t keys);
  void Put(int32_t hash, int64_t log_offset, int64_t store_timestamp);
  // Records below it are indexed already.
  int64_t end_log_offset() const;
  // Cuts every file back to what points below `log_offset`; files that lie behind it go.
  Status CutBack(int64_t log_offset);
  Status RemoveAll();
  // Leaves out, from now on, the files that point only below `log_offset`, the last one excepted: the caller's to
  // remove.
  std::vector<std::shared_ptr<IndexFile>> Expire(int64_t log_offset);
  Status Sync();
  // End time of the newest full file, for the checkpoint; 0 when there is none.
  int64_t full_until_timestamp() const;

  // -- any thread
  // ----------------------------------------------------------------------------------------------------------------------
  // Appends log offsets, newest first, until *out has `limit`.
  Status Query(std::string_view topic, std::string_view key, size_t limit, int64_t begin, int64_t end,
               std::vector<int64_t>* out) const;
  std::vector<std::shared_ptr<IndexFile>> files() const;

 private:
  std::string NewName();
  Status MakeNext();
  void Roll();

  FileSystem* const files_;
  Options options_;
  mutable std::mutex mutex_;  // the list
  std::vector<std::shared_ptr<IndexFile>> list_;
  std::deque<std::shared_ptr<IndexFile>> next_;  // prepared for when the last one is full
  std::string last_name_, empty_last_;
  std::atomic<bool> directory_dirty_{false};
  size_t first_unsynced_ = 0;  // with the list
};

}  // namespace millrace
