// All queues of a store: finding them, and making what they have written durable.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "consume_queue.h"
#include "platform.h"

namespace millrace {

namespace {
constexpr size_t kSyncEachAtMost = 64;  // more dirty files than this are one syncfs

// A quarter of what the process may have open: the rest is the application's.
size_t DescriptorLimit() { return static_cast<size_t>(std::clamp<int64_t>(platform::MaxOpenFiles() / 4, 16, 512)); }

}  // namespace

ConsumeQueues::ConsumeQueues(FileSystem* files, Options options)
    : files_(files), options_(std::move(options)), descriptors_(files, DescriptorLimit()) {}

ConsumeQueues::~ConsumeQueues() {
  if (file_system_fd_ >= 0) files_->Close(file_system_fd_);
}

Status ConsumeQueues::Start() { return files_->Open(options_.paths.queues, OpenMode::kRead, &file_system_fd_); }

Status ConsumeQueues::Load() {
  std::vector<DirectoryEntry> topics, ids;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, options_.paths.queues, false, &exists));
  if (!exists) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(files_->List(options_.paths.queues, &topics));
  for (const auto& topic : topics) {
    const std::string path = options_.paths.queues + "/" + topic.name;
    if (topic.kind == DirectoryEntry::Kind::kLink)
      return Status::Error(Code::kUnsafePath, "is a symbolic link among the topics", path);
    if (topic.kind != DirectoryEntry::Kind::kDirectory || !IsTopicName(topic.name, 255))
      return Status::Error(Code::kForeignFile, "does not belong among the topics, move it away", path);
    MILLRACE_RETURN_IF_ERROR(files_->List(path, &ids));
    for (const auto& id : ids) {
      char* end = nullptr;
      const long long number = strtoll(id.name.c_str(), &end, 10);
      if (id.kind == DirectoryEntry::Kind::kLink)
        return Status::Error(Code::kUnsafePath, "is a symbolic link among the queues", path + "/" + id.name);
      if (id.kind != DirectoryEntry::Kind::kDirectory || *end != 0 || number < 0 || number > INT32_MAX ||
          std::to_string(number) != id.name)
        return Status::Error(Code::kForeignFile, "does not belong among the queues, move it away",
                             path + "/" + id.name);
      GetOrMake(topic.name, static_cast<int32_t>(number));
    }
  }
  return Status::Ok();
}

ConsumeQueue* ConsumeQueues::Get(std::string_view topic, int32_t queue_id) const {
  std::shared_lock lock(mutex_);
  const auto found = queues_.find({topic, queue_id});
  return found == queues_.end() ? nullptr : found->second.get();
}

ConsumeQueue* ConsumeQueues::GetOrMake(std::string_view topic, int32_t queue_id) {
  if (ConsumeQueue* queue = Get(topic, queue_id)) return queue;
  if (!IsTopicName(topic, 255) || queue_id < 0) return nullptr;
  std::unique_lock lock(mutex_);
  if (const auto found = queues_.find({topic, queue_id}); found != queues_.end()) return found->second.get();
  auto name = topics_.find(topic);
  if (name == topics_.end()) {
    auto text = std::make_shared<const std::string>(topic);
    name = topics_.emplace(std::string_view(*text), text).first;
  }
  auto queue = std::make_unique<ConsumeQueue>(this, name->second, queue_id);
  ConsumeQueue* const made = queue.get();
  queues_.emplace(std::make_pair(std::string_view(*name->second), queue_id), std::move(queue));
  return made;
}

std::vector<ConsumeQueue*> ConsumeQueues::All() const {
  std::shared_lock lock(mutex_);
  std::vector<ConsumeQueue*> all;
  all.reserve(queues_.size());
  for (const auto& [key, queue] : queues_) all.push_back(queue.get());
  return all;
}

std::vector<ConsumeQueue*> ConsumeQueues::InOrder() const {
  std::vector<ConsumeQueue*> all = All();
  std::sort(all.begin(), all.end(), [](const ConsumeQueue* a, const ConsumeQueue* b) {
    const int order = a->topic().compare(b->topic());
    return order != 0 ? order < 0 : a->queue_id() < b->queue_id();
  });
  return all;
}

size_t ConsumeQueues::count() const {
  std::shared_lock lock(mutex_);
  return queues_.size();
}

void ConsumeQueues::MarkDirty(ConsumeQueue* queue) {
  queue->dirty_ = true;
  std::lock_guard lock(lists_mutex_);
  dirty_.push_back(queue);
}

void ConsumeQueues::NoteUnsynced(std::string path) {
  if (unsynced_paths_.size() < kSyncEachAtMost) {
    unsynced_paths_.push_back(std::move(path));
  } else {
    unsynced_many_ = true;
  }
}

std::vector<ConsumeQueue*> ConsumeQueues::Dirty() const {
  std::lock_guard lock(lists_mutex_);
  return dirty_;
}

std::vector<ConsumeQueue*> ConsumeQueues::TakeDirty() {
  std::vector<ConsumeQueue*> dirty;
  {
    std::lock_guard lock(lists_mutex_);
    dirty = std::exchange(dirty_, {});
  }
  for (ConsumeQueue* queue : dirty) {
    queue->dirty_ = false;
    queue->mark_ = queue->last_;
  }
  return dirty;
}

void ConsumeQueues::MarkAll() {
  for (ConsumeQueue* queue : All()) queue->mark_ = queue->last_;
}

namespace {
// A file's sync that failed must not be tried again, see Store::WriteCheckpoints().
Status AsSync(Status done) {
  if (!done.ok()) done.code = Code::kSyncFailed;
  return done;
}
}  // namespace

Status ConsumeQueues::SyncEarly() const {
  return AsSync(files_->SyncFileSystem(file_system_fd_)).At(options_.paths.queues);
}

Status ConsumeQueues::Sync() {
  std::vector<std::string> paths, directories;
  bool many;
  {
    std::lock_guard lock(lists_mutex_);
    paths = std::exchange(unsynced_paths_, {});
    many = std::exchange(unsynced_many_, false);
    directories = std::exchange(new_directories_, {});
    sync_epoch_++;
  }
  if (paths.empty() && !many && directories.empty()) return Status::Ok();
  std::sort(directories.begin(), directories.end());
  directories.erase(std::unique(directories.begin(), directories.end()), directories.end());
  Status status;
  int fd = -1;
  if (many || directories.size() > kSyncEachAtMost) {
    status = SyncEarly();
  } else {
    for (const auto& path : paths) {
      FileInfo info;
      bool exists = false;
      if (status.ok()) status = files_->Stat(path, &info, &exists);
      if (!status.ok() || !exists) continue;  // retention took it
      status = files_->Open(path, OpenMode::kReadWrite, &fd);
      if (!status.ok()) break;
      status = AsSync(files_->SyncData(fd));
      files_->Close(fd);
      status.At(path);
    }
    // That one may be tried again: a folder's entries are the file system's own, which does not forget them and go on.
    for (const auto& directory : directories)
      if (status.ok()) status = files_->SyncDirectory(directory);
    if (status.ok() && !directories.empty()) status = files_->SyncDirectory(options_.paths.queues);
  }
  if (!status.ok()) {
    std::lock_guard lock(lists_mutex_);
    unsynced_many_ = true;  // nobody knows any more which: all of them the next time
    new_directories_.insert(new_directories_.end(), directories.begin(), directories.end());
  }
  return status;
}

}  // namespace millrace
