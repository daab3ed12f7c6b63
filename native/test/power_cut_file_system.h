// A file system whose power can be cut. It works on real files (the core maps them), syncs nothing in truth, and keeps
// a book: what each file held at its last sync and between then and now, and which changes of names and lengths no sync
// has covered. A PowerCut is a copy of that book; from it any number of states can be made that a disk may be in
// after the cut. It promises no more than POSIX does: a sync of a file says nothing about its name, a sync of a folder
// nothing about the folder's own name, and what was not synced comes in any order, page by page, sector by sector.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "../core/forwarding_file_system.h"

namespace millrace::test {

class PowerCut {
 public:
  int64_t operation = 0;     // before which change of the file system it came
  int64_t acknowledged = 0;  // what the witness said just before it
  int64_t begun = 0;         // and just behind it
  // Makes the state that `seed` picks in `directory`, which must not exist.
  void Build(const std::string& directory, uint64_t seed) const;

 private:
  friend class PowerCutFileSystem;
  struct File {
    bool directory = false;
    std::string synced, now;
    std::map<size_t, std::vector<std::string>> between;  // by page: what it held since the sync
  };
  // A change of a name or a length that no sync has covered. `file` is what a name points to afterwards.
  struct Change {
    enum class Kind { kCreate, kUnlink, kRename, kLength } kind;
    std::string path, to;
    size_t file = 0;
    size_t length = 0;
    bool Touches(const Change& other) const;
  };
  std::string root_;
  std::vector<std::shared_ptr<const File>> files_;
  std::map<std::string, size_t> names_;
  std::vector<Change> changes_;
};

class PowerCutFileSystem final : public ForwardingFileSystem {
 public:
  // What it may claim without doing it.
  enum class Lie { kNone, kSyncData, kSyncDirectory };
  // Asked at each cut: how far the log was acknowledged before it, and how many messages were begun behind it.
  struct Witness {
    std::function<int64_t()> acknowledged, begun;
  };

  // Everything below `root`, which must exist, counts as on disk.
  PowerCutFileSystem(std::string root, Witness witness, Lie lie = Lie::kNone);
  ~PowerCutFileSystem() override;

  // Cuts come before the changes with these numbers.
  void CutBefore(std::set<int64_t> operations);
  void CutNow();
  std::vector<std::shared_ptr<const PowerCut>> cuts() const;
  int64_t operations() const { return operations_; }
  // The next sync of a mapped file fails, as the kernel lets it: its pages count as clean from then on and stay off the
  // disk until they are written again, whatever is synced.
  void FailNextSync() { fail_next_sync_ = true; }
  // Notes what mapped files hold now: a page may reach the disk at any moment between two syncs.
  void Observe();

  Status Open(const std::string& path, OpenMode mode, int* fd) override;
  void Close(int fd) override;
  Status SetLength(int fd, int64_t bytes) override;
  Status Map(int fd, size_t bytes, bool writable, uint8_t** base) override;
  Status Write(int fd, const void* data, size_t bytes, int64_t offset) override;
  Status SyncData(int fd) override;
  Status SyncFile(int fd) override;
  void StartRead(int, int64_t, int64_t) override {}
  void StartWriteBack(int, int64_t, int64_t) override {}
  Status SyncFileSystem(int fd) override;
  Status SyncDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status MakeDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;

 private:
  using Change = PowerCut::Change;
  struct Node {
    int fd = -1;  // of the book's own, so that a file without a name can be read
    bool mapped = false;
    bool directory = false;
    std::string synced, last;  // `last` is what Remember() saw last
    std::map<size_t, std::vector<std::string>> between;
    std::map<size_t, std::string> left_clean;  // by a failed sync: what these pages held
  };
  // All below hold the mutex.
  void BeforeChange();
  void TakeCut();
  size_t Add(const std::string& path, bool directory);
  static std::string Contents(const Node& node);
  static std::string Writable(const Node& node);
  void Remember(Node& node);
  void SyncNode(size_t file);

  const std::string root_;
  const Witness witness_;
  const Lie lie_;
  mutable std::mutex mutex_;
  std::atomic<int64_t> operations_{0};
  std::atomic<bool> fail_next_sync_{false};
  std::set<int64_t> cut_before_;
  std::vector<std::shared_ptr<const PowerCut>> cuts_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<int, size_t> open_;                   // by descriptor
  std::map<std::string, size_t> live_, synced_;  // names as they are, and as the disk has them for certain
  std::vector<Change> changes_;                  // in the order in which they were made
};

}  // namespace millrace::test
