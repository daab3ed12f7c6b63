#include "sender.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <utility>

#include "platform.h"

namespace millrace {

namespace {

constexpr int64_t kTurnBytes = 1 << 20;  // then the next target has its turn
constexpr int kStallLookMs = 1000;
// Progress is told when so little of a target is left, for many items at once: each wake-up costs as much as sending
// one.
constexpr int64_t kTellBytes = 128 << 10;

int64_t SteadyMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Status Sender::Open(int fd, int64_t stall_ms, uint64_t* target) {
  std::lock_guard lock(mutex_);
  const auto opened = std::make_shared<Target>(next_target_++, fd, stall_ms);
  if (wake_read_ < 0) {
    int ends[2];
    if (const int error = platform::MakeWakePipe(ends); error != 0) return Status::System("pipe", {}, error);
    wake_read_ = ends[0];
    wake_write_ = ends[1];
  }
  if (!thread_.running()) MILLRACE_RETURN_IF_ERROR(thread_.Start([this] { Run(); }));
  *target = opened->id;
  targets_[opened->id] = opened;
  return Status::Ok();
}

Sender::TargetPointer Sender::Find(uint64_t target) {
  std::lock_guard lock(mutex_);
  const auto found = targets_.find(target);
  return found == targets_.end() ? nullptr : found->second;
}

Status Sender::Add(uint64_t target, TransferItem item) {
  const TargetPointer to = Find(target);
  if (!to) return Status::Error(Code::kTransferFailed, "the target is closed");
  to->added.push_back(std::move(item));
  return Status::Ok();
}

Status Sender::Send(uint64_t target, bool* out) {
  *out = false;
  const TargetPointer to = Find(target);
  if (!to) return Status::Error(Code::kTransferFailed, "the target is closed");
  std::vector<TransferItem> items = std::exchange(to->added, {});
  {
    std::lock_guard lock(to->mutex);
    if (!to->failed.ok()) return to->failed;
    if (to->with_thread) {
      for (TransferItem& item : items) to->incoming.push_back(std::move(item));
      return Status::Ok();
    }
  }
  for (TransferItem& item : items) to->transfer.Add(std::move(item));
  int64_t sent = 0;
  bool blocked = false;
  const Status status = to->transfer.Send(kTurnBytes, &to->untold, &sent, &blocked);
  if (!status.ok()) to->transfer.Clear();
  *out = status.ok() && to->transfer.empty();
  if (*out) return status;
  {
    std::lock_guard lock(to->mutex);
    to->failed = status;
    to->with_thread = status.ok();
  }
  if (!status.ok()) return status;
  to->moved_ms = SteadyMs();
  {
    std::lock_guard lock(mutex_);
    handed_over_.push_back(to);
  }
  Wake();
  return status;
}

void Sender::Close(uint64_t target) {
  TargetPointer closing;
  {
    std::lock_guard lock(mutex_);
    const auto found = targets_.find(target);
    if (found == targets_.end()) return;
    closing = std::move(found->second);
    targets_.erase(found);
  }
  std::lock_guard lock(closing->mutex);
  closing->closed = true;
  if (closing->with_thread) Wake();  // the thread lets go of it
}

std::vector<Sender::Progress> Sender::TakeProgress() {
  std::lock_guard lock(mutex_);
  return std::exchange(progress_, {});
}

void Sender::Tell(const Target& target, int64_t items, Status status) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    if (!targets_.contains(target.id)) return;
    first = progress_.empty();
    progress_.push_back({target.id, items, std::move(status)});
  }
  if (first) on_progress_();
}

void Sender::Wake() { (void)!write(wake_write_, "", 1); }

bool Sender::Work(Target* target, bool ready) {
  {
    std::lock_guard lock(target->mutex);
    if (target->closed) return false;
    for (TransferItem& item : target->incoming) target->transfer.Add(std::move(item));
    target->incoming.clear();
    if (target->transfer.empty()) {
      target->with_thread = false;
      return false;
    }
  }
  int64_t items = 0, sent = 0;
  bool blocked = false;
  Status status;
  if (ready) status = target->transfer.Send(kTurnBytes, &items, &sent, &blocked);
  const int64_t now = SteadyMs();
  if (sent > 0) target->moved_ms = now;
  if (status.ok() && target->stall_ms > 0 && now - target->moved_ms >= target->stall_ms)
    status = Status::Error(Code::kTransferFailed,
                           "the other end has taken nothing for " + std::to_string(now - target->moved_ms) + " ms");
  if (!status.ok()) {
    std::lock_guard lock(target->mutex);
    target->failed = status;
    target->with_thread = false;
    target->transfer.Clear();
    target->incoming.clear();
  }
  const bool goes_on = status.ok();
  target->untold += items;
  if (!goes_on || (target->untold > 0 && target->transfer.bytes() <= kTellBytes))
    Tell(*target, std::exchange(target->untold, 0), std::move(status));
  return goes_on;
}

void Sender::Run() {
  platform::NameThread("mr-sender");
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);  // sendfile knows no MSG_NOSIGNAL
  std::vector<TargetPointer> mine;
  std::vector<pollfd> polled;
  while (true) {
    {
      std::lock_guard lock(mutex_);
      if (stop_) return;
      for (TargetPointer& target : handed_over_) mine.push_back(std::move(target));
      handed_over_.clear();
    }
    polled.assign(1, {wake_read_, POLLIN, 0});
    for (const TargetPointer& target : mine) polled.push_back({target->transfer.fd(), POLLOUT, 0});
    if (poll(polled.data(), static_cast<nfds_t>(polled.size()), mine.empty() ? -1 : kStallLookMs) < 0) continue;
    char bytes[64];
    if (polled[0].revents != 0)
      while (read(wake_read_, bytes, sizeof bytes) > 0) {
      }
    size_t kept = 0;
    for (size_t i = 0; i < mine.size(); i++)
      if (Work(mine[i].get(), polled[i + 1].revents != 0)) mine[kept++] = mine[i];
    mine.resize(kept);
  }
}

void Sender::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  if (thread_.running()) Wake();
  thread_.Join();
  targets_.clear();
  handed_over_.clear();
  for (int* const end : {&wake_read_, &wake_write_}) {
    if (*end >= 0) close(*end);
    *end = -1;
  }
}

}  // namespace millrace
