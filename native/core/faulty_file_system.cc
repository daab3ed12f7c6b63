// A FileSystem that fails on purpose. The plan is a list of rules separated by ';', each an operation and its
// conditions separated by ':':
//
//   sync_data:errno=5:after=3:times=1:path=commitlog;write:delay=5000
//
// operation: open set_length reserve map populate read send_file write sync_data sync_file sync_fs sync_dir rename
// unlink mkdir disk_use errno      what the call fails with; without it the call only waits percent    of disk_use: so
// much of the disk is used after      so many matching calls go through first (0) times      so many are hit (all)
// delay milliseconds to wait before the call path       only files whose path contains this bytes      only reads and
// writes of so many at least
#include <atomic>
#include <charconv>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "forwarding_file_system.h"

namespace millrace {
namespace {

struct Rule {
  std::string operation, path;
  int error_number = 0;
  int64_t percent = -1;
  int64_t after = 0, times = INT64_MAX, delay_ms = 0, bytes = 0;
  std::atomic<int64_t> seen{0};
};

class Faulty final : public ForwardingFileSystem {
 public:
  Faulty(FileSystem* inner, std::vector<std::unique_ptr<Rule>> rules)
      : ForwardingFileSystem(inner), rules_(std::move(rules)) {}

  Status Open(const std::string& path, OpenMode mode, int* fd) override {
    MILLRACE_RETURN_IF_ERROR(Hit("open", path));
    MILLRACE_RETURN_IF_ERROR(inner_->Open(path, mode, fd));
    std::lock_guard lock(mutex_);
    paths_[*fd] = path;
    return Status::Ok();
  }
  void Close(int fd) override {
    {
      std::lock_guard lock(mutex_);
      paths_.erase(fd);
    }
    inner_->Close(fd);
  }
  Status SetLength(int fd, int64_t bytes) override {
    MILLRACE_RETURN_IF_ERROR(Hit("set_length", PathOf(fd)));
    return inner_->SetLength(fd, bytes);
  }
  Status Reserve(int fd, int64_t offset, int64_t bytes) override {
    MILLRACE_RETURN_IF_ERROR(Hit("reserve", PathOf(fd)));
    return inner_->Reserve(fd, offset, bytes);
  }
  Status Map(int fd, size_t bytes, bool writable, uint8_t** base) override {
    MILLRACE_RETURN_IF_ERROR(Hit("map", PathOf(fd)));
    return inner_->Map(fd, bytes, writable, base);
  }
  bool Populate(uint8_t* address, size_t bytes) override {
    return Hit("populate", {}).ok() && inner_->Populate(address, bytes);
  }
  Status Read(int fd, void* data, size_t bytes, int64_t offset, size_t* got) override {
    MILLRACE_RETURN_IF_ERROR(Hit("read", PathOf(fd), bytes));
    return inner_->Read(fd, data, bytes, offset, got);
  }
  int SendFile(int fd, int to, int64_t offset, int64_t bytes, int64_t* sent) override {
    *sent = 0;
    const Status status = Hit("send_file", PathOf(fd), static_cast<size_t>(bytes));
    return status.ok() ? inner_->SendFile(fd, to, offset, bytes, sent) : status.error_number();
  }
  Status Write(int fd, const void* data, size_t bytes, int64_t offset) override {
    MILLRACE_RETURN_IF_ERROR(Hit("write", PathOf(fd), bytes));
    return inner_->Write(fd, data, bytes, offset);
  }
  Status SyncData(int fd) override {
    MILLRACE_RETURN_IF_ERROR(Hit("sync_data", PathOf(fd)));
    return inner_->SyncData(fd);
  }
  Status SyncFile(int fd) override {
    MILLRACE_RETURN_IF_ERROR(Hit("sync_file", PathOf(fd)));
    return inner_->SyncFile(fd);
  }
  Status SyncFileSystem(int fd) override {
    MILLRACE_RETURN_IF_ERROR(Hit("sync_fs", PathOf(fd)));
    return inner_->SyncFileSystem(fd);
  }
  Status SyncDirectory(const std::string& path) override {
    MILLRACE_RETURN_IF_ERROR(Hit("sync_dir", path));
    return inner_->SyncDirectory(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    MILLRACE_RETURN_IF_ERROR(Hit("rename", to));
    MILLRACE_RETURN_IF_ERROR(inner_->Rename(from, to));
    std::lock_guard lock(mutex_);
    for (auto& [fd, path] : paths_)
      if (path == from) path = to;
    return Status::Ok();
  }
  Status Unlink(const std::string& path) override {
    MILLRACE_RETURN_IF_ERROR(Hit("unlink", path));
    return inner_->Unlink(path);
  }
  Status MakeDirectory(const std::string& path) override {
    MILLRACE_RETURN_IF_ERROR(Hit("mkdir", path));
    return inner_->MakeDirectory(path);
  }
  Status AskDiskUse(const std::string& path, DiskUse* use) override {
    const Rule* hit = nullptr;
    MILLRACE_RETURN_IF_ERROR(Hit("disk_use", path, 0, &hit));
    if (hit == nullptr || hit->percent < 0) return inner_->AskDiskUse(path, use);
    *use = {hit->percent, 100 - hit->percent};
    return Status::Ok();
  }

 private:
  std::string PathOf(int fd) {
    std::lock_guard lock(mutex_);
    const auto found = paths_.find(fd);
    return found == paths_.end() ? std::string() : found->second;
  }

  Status Hit(const char* operation, const std::string& path, size_t bytes = 0, const Rule** hit = nullptr) {
    for (const auto& rule : rules_) {
      if (rule->operation != operation || path.find(rule->path) == std::string::npos ||
          static_cast<int64_t>(bytes) < rule->bytes)
        continue;
      const int64_t number = rule->seen.fetch_add(1);
      if (number < rule->after || number - rule->after >= rule->times) continue;
      if (hit != nullptr) *hit = rule.get();
      if (rule->delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(rule->delay_ms));
      if (rule->error_number != 0) return Status::System(operation, path, rule->error_number);
    }
    return Status::Ok();
  }

  const std::vector<std::unique_ptr<Rule>> rules_;
  std::mutex mutex_;
  std::map<int, std::string> paths_;
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t from = 0;
  while (from <= text.size()) {
    const size_t end = std::min(text.find(separator, from), text.size());
    if (end > from) parts.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

}  // namespace

Status MakeFaultyFileSystem(FileSystem* inner, const std::string& plan, std::shared_ptr<FileSystem>* out) {
  std::vector<std::unique_ptr<Rule>> rules;
  for (const auto& text : Split(plan, ';')) {
    auto rule = std::make_unique<Rule>();
    const auto parts = Split(text, ':');
    if (!parts.empty()) rule->operation = parts[0];
    for (size_t i = 1; i < parts.size(); i++) {
      const size_t equals = parts[i].find('=');
      const std::string name = parts[i].substr(0, equals),
                        value = equals == std::string::npos ? "" : parts[i].substr(equals + 1);
      int64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      const bool numeric = error == std::errc() && end == value.data() + value.size();
      if (name == "path") {
        rule->path = value;
      } else if (name == "errno" && numeric) {
        rule->error_number = static_cast<int>(number);
      } else if (name == "after" && numeric) {
        rule->after = number;
      } else if (name == "times" && numeric) {
        rule->times = number;
      } else if (name == "bytes" && numeric) {
        rule->bytes = number;
      } else if (name == "percent" && numeric) {
        rule->percent = number;
      } else if (name == "delay" && numeric) {
        rule->delay_ms = number;
      } else {
        return Status::Error(Code::kInvalidArgument, "the fault plan has '" + parts[i] + "'");
      }
    }
    rules.push_back(std::move(rule));
  }
  *out = std::make_shared<Faulty>(inner, std::move(rules));
  return Status::Ok();
}

}  // namespace millrace
