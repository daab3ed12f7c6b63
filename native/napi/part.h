// A part of a store that is open alone, without a store around it: the log, a queue, the index, or one of its files. A
// part belongs to the environment that opened it: it is written to there alone, and closed when that environment goes.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "../core/file_system.h"
#include "exports.h"

namespace millrace::js {

void ExportLogPart(napi_env env, napi_value exports);
void ExportQueuePart(napi_env env, napi_value exports);
void ExportIndexPart(napi_env env, napi_value exports);

struct PartOptions {
  std::string path;  // its folder or file
  std::string work;  // where its new files are born
  std::string lock;  // of the store that it lies in; empty where it lies in none
  bool read_only = true;
  bool cut = false;                // what is no record or unit may be overwritten
  int64_t file_bytes = 0;          // 0: as the files are
  int32_t slots = 0, entries = 0;  // of an index; 0: as the files are
  std::string queues, topic;       // of a queue: the folder of all topics, and its names
  int32_t queue_id = 0;
};

// The store's lock, shared by the parts of it that this process writes to. Nobody else opens the store for writing
// meanwhile, nor the same part a second time.
class SharedLock {
 public:
  SharedLock() = default;
  ~SharedLock() { Release(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;
  Status Take(const std::string& lock, const std::string& part);
  void Release();

 private:
  std::string lock_, part_;
};

class Part {
 public:
  enum class Kind { kLog, kQueue, kIndex, kIndexFile };
  Part(Kind kind, PartOptions options) : kind(kind), options_(std::move(options)) {}
  virtual ~Part() = default;

  const Kind kind;
  const PartOptions& options() const { return options_; }
  void set_faults(std::shared_ptr<FileSystem> faults) { faults_ = std::move(faults); }

  // On libuv's pool, or where the environment ends.
  Status Open();
  Status Flush();
  Status Close();

 protected:
  virtual Status Load() = 0;
  // Everything that was put so far, to the disk.
  virtual Status Sync() = 0;
  virtual void Stop() {}

  FileSystem* files() const { return faults_ ? faults_.get() : PosixFileSystem(); }
  // kNoStore where the folder is missing and may not be made.
  Status CheckPlace(bool* exists);
  // Under mutex_: why nothing can be put.
  Status WhyNotWritable() const;
  // Notes what leaves the files in doubt: nothing is put any more.
  void Fail(const Status& status);

  std::mutex mutex_;  // who writes: the environment's thread, or a flush on the pool

 private:
  const PartOptions options_;
  std::shared_ptr<FileSystem> faults_;
  std::mutex sync_mutex_;
  SharedLock lock_;
  Status failure_;
};

// Whether a file holds anything but zeros in [from, to).
Status HoldsData(FileSystem* files, const std::string& path, int64_t from, int64_t to, bool* holds);

// Reads the options, opens on the pool and gives a Promise of the part's value.
using MakePart = std::shared_ptr<Part> (*)(PartOptions options);
napi_value OpenPart(napi_env env, napi_callback_info info, MakePart make);
bool IsPart(napi_env env, napi_value value);
// The part behind a value, where it is open; null and an exception otherwise.
std::shared_ptr<Part> AnyPart(napi_env env, napi_value value);
// The same, of one kind.
template <class T>
std::shared_ptr<T> PartOf(napi_env env, napi_value value) {
  std::shared_ptr<Part> part = AnyPart(env, value);
  if (part && T::Is(part->kind)) return std::static_pointer_cast<T>(std::move(part));
  ThrowArgument(env, "the first argument is no such part of a store");
  return nullptr;
}

}  // namespace millrace::js
