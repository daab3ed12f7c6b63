// The life of a part that is open alone, and what all parts have in common.
#include "part.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "../core/data_pages.h"
#include "../core/store_lock.h"
#include "../core/store_paths.h"

namespace millrace::js {

namespace {

struct TakenLock {
  StoreLock lock;
  std::set<std::string> parts;
};

std::mutex locks_mutex;
std::map<std::string, TakenLock>& Locks() {
  static auto* const locks = new std::map<std::string, TakenLock>;  // outlives every environment
  return *locks;
}

}  // namespace

Status SharedLock::Take(const std::string& lock, const std::string& part) {
  FileSystem* const files = PosixFileSystem();
  std::lock_guard guard(locks_mutex);
  auto found = Locks().find(lock);
  if (found == Locks().end()) {
    MILLRACE_RETURN_IF_ERROR(MakeFolders(files, lock.substr(0, lock.rfind('/'))));
    found = Locks().try_emplace(lock).first;
    Status status = found->second.lock.Take(files, lock, lock);
    if (status.ok()) status = found->second.lock.Sign();
    if (!status.ok()) {
      Locks().erase(found);
      return status;
    }
  }
  if (!found->second.parts.insert(part).second) return LockedBy(part, getpid());
  lock_ = lock;
  part_ = part;
  return Status::Ok();
}

void SharedLock::Release() {
  if (lock_.empty()) return;
  std::lock_guard guard(locks_mutex);
  const auto found = Locks().find(lock_);
  lock_.clear();
  found->second.parts.erase(part_);
  if (found->second.parts.empty()) Locks().erase(found);
}

Status Part::Open() {
  if (!options_.read_only && !options_.lock.empty()) MILLRACE_RETURN_IF_ERROR(lock_.Take(options_.lock, options_.path));
  Status status = Load();
  return status.At(options_.path);
}

Status Part::Flush() {
  std::lock_guard syncing(sync_mutex_);
  {
    std::lock_guard lock(mutex_);
    MILLRACE_RETURN_IF_ERROR(WhyNotWritable());
  }
  const Status status = Sync();
  if (!status.ok()) {
    std::lock_guard lock(mutex_);
    Fail(status);
  }
  return status;
}

Status Part::Close() {
  Status status;
  if (!options_.read_only) {
    status = Flush();
    // What failed before was told then.
    if (status.code == Code::kStoreFailed) status = Status::Ok();
  }
  Stop();
  lock_.Release();
  return status;
}

Status Part::CheckPlace(bool* exists) {
  MILLRACE_RETURN_IF_ERROR(CheckFolder(files(), options_.path, false, exists));
  if (!*exists && options_.read_only) return Status::Error(Code::kNoStore, "there is no such directory", options_.path);
  return options_.read_only ? Status::Ok() : MakeFolders(files(), options_.work);
}

Status Part::WhyNotWritable() const {
  if (options_.read_only) return Status::Error(Code::kStoreReadOnly, "is open for reading only", options_.path);
  if (failure_.ok()) return failure_;
  return Status::Error(Code::kStoreFailed, "a write or sync failed: " + failure_.message() + "; open it again",
                       failure_.path());
}

void Part::Fail(const Status& status) {
  if (failure_.ok() && status.code != Code::kDiskFull) failure_ = status;
}

Status HoldsData(FileSystem* files, const std::string& path, int64_t from, int64_t to, bool* holds) {
  *holds = false;
  int fd = -1;
  MILLRACE_RETURN_IF_ERROR(files->Open(path, OpenMode::kRead, &fd));
  const Status status = ForEachDataPage(files, fd, from, to, [&](int64_t, const uint8_t*, size_t, bool* more) {
    *holds = true;
    *more = false;
    return Status::Ok();
  });
  files->Close(fd);
  return status;
}

// -- what an environment holds of a part ------------------------------------------------------------------------------

namespace {

constexpr napi_type_tag kPartTag = {0x6d696c6c72616365, 0x7061727473000003};

struct PartHandle {
  napi_env env;
  std::shared_ptr<Part> part;  // null once it was closed
  const std::string path;
  bool wrapped = false, cleaned = false;

  static napi_value Wrap(napi_env env, const std::shared_ptr<Part>& part) {
    auto* handle = new PartHandle{env, part, part->options().path};
    napi_value object = Object(env);
    napi_type_tag_object(env, object, &kPartTag);
    handle->wrapped = napi_wrap(env, object, handle, Finalize, nullptr, nullptr) == napi_ok;
    if (handle->wrapped) {
      napi_add_env_cleanup_hook(env, Cleanup, handle);
      return object;
    }
    (void)part->Close();  // the environment goes
    delete handle;
    return nullptr;
  }

  static PartHandle* From(napi_env env, napi_value value) {
    void* handle = nullptr;
    if (IsPart(env, value) && napi_unwrap(env, value, &handle) == napi_ok && handle != nullptr)
      return static_cast<PartHandle*>(handle);
    ThrowArgument(env, "the first argument is no part that this addon opened");
    return nullptr;
  }

  // The part, for the first caller to close.
  std::shared_ptr<Part> Release() { return std::exchange(part, nullptr); }

  static void Cleanup(void* data) {
    auto* handle = static_cast<PartHandle*>(data);
    handle->cleaned = true;
    if (const auto open = handle->Release()) (void)open->Close();
  }

  static void Finalize(napi_env env, void* data, void*) {
    auto* handle = static_cast<PartHandle*>(data);
    if (!handle->cleaned) napi_remove_env_cleanup_hook(env, Cleanup, handle);
    if (const auto open = handle->Release()) (void)open->Close();  // collected without a close
    delete handle;
  }
};

// flushPart(part) → Promise<void>
napi_value FlushPart(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const std::shared_ptr<Part> part = AnyPart(env, arguments.at(0));
  if (!part) return nullptr;
  return RunOnPool(
      env, nullptr, [part](PoolWork& work) { work.status = part->Flush(); },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

// closePart(part) → Promise<void>: flushes and lets go. A second call has nothing to do.
napi_value ClosePart(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  PartHandle* handle = PartHandle::From(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  // The pool lets go of the part: unmapping a large file takes time.
  return RunOnPool(
      env, nullptr,
      [part = handle->Release()](PoolWork& work) mutable {
        if (part) work.status = part->Close();
        part.reset();
      },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

}  // namespace

bool IsPart(napi_env env, napi_value value) {
  bool ours = false;
  napi_valuetype type = napi_undefined;
  return value != nullptr && napi_typeof(env, value, &type) == napi_ok && type == napi_object &&
         napi_check_object_type_tag(env, value, &kPartTag, &ours) == napi_ok && ours;
}

std::shared_ptr<Part> AnyPart(napi_env env, napi_value value) {
  const PartHandle* handle = PartHandle::From(env, value);
  if (handle == nullptr) return nullptr;
  if (!handle->part) Throw(env, Status::Error(Code::kStoreNotOpen, "is closed", handle->path));
  return handle->part;
}

napi_value OpenPart(napi_env env, napi_callback_info info, MakePart make) {
  Arguments arguments(env, info);
  PartOptions o;
  std::string faults;
  if (!arguments.Option(0, "path", &o.path) || !arguments.Option(0, "work", &o.work) ||
      !arguments.Option(0, "lock", &o.lock) || !arguments.Option(0, "readOnly", &o.read_only) ||
      !arguments.Option(0, "cut", &o.cut) || !arguments.Option(0, "fileBytes", &o.file_bytes) ||
      !arguments.Option(0, "slots", &o.slots) || !arguments.Option(0, "entries", &o.entries) ||
      !arguments.Option(0, "queues", &o.queues) || !arguments.Option(0, "topic", &o.topic) ||
      !arguments.Option(0, "queueId", &o.queue_id) || !arguments.Option(0, "faults", &faults) || o.path.empty() ||
      (!o.read_only && o.work.empty()) || o.file_bytes < 0 || o.slots < 0 || o.entries < 0)
    return ThrowArgument(env, "the options of a part do not have the expected types");
  const std::shared_ptr<Part> part = make(std::move(o));
  if (!faults.empty()) {
    std::shared_ptr<FileSystem> faulty;
    const Status status = MakeFaultyFileSystem(PosixFileSystem(), faults, &faulty);
    if (!status.ok()) return Throw(env, status);
    part->set_faults(std::move(faulty));
  }
  MappingGuard::PrepareThread();
  return RunOnPool(
      env, nullptr, [part](PoolWork& work) { work.status = part->Open(); },
      [part](napi_env e, PoolWork&) { return PartHandle::Wrap(e, part); });
}

void ExportParts(napi_env env, napi_value exports) {
  Export(env, exports, "flushPart", FlushPart);
  Export(env, exports, "closePart", ClosePart);
  ExportLogPart(env, exports);
  ExportQueuePart(env, exports);
  ExportIndexPart(env, exports);
}

}  // namespace millrace::js
