#include "flusher.h"

#include <algorithm>
#include <chrono>

#include "canary.h"
#include "platform.h"

namespace millrace {

namespace {
using Clock = std::chrono::steady_clock;
constexpr int64_t kWriteBackBytes = 8 << 20;  // begun as soon as so much has come together
constexpr auto kWriteBackLook = std::chrono::milliseconds(10);
constexpr int64_t kPageBytes = 4096;
}  // namespace

Status Flusher::Start(int64_t flushed) {
  flushed_ = flushed;
  return thread_.Start([this] { Run(); });
}

void Flusher::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.Join();
}

Status Flusher::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

Flusher::Counters Flusher::counters() const { return {syncs_.load(), sync_latency_.sum(), refaulted_pages_.load()}; }

Status Flusher::SyncLocked() {
  if (failed()) return failure();
  const int64_t timestamp = last_timestamp_.load(std::memory_order_acquire);
  const int64_t end = log_->published(), from = flushed();
  if (end <= from) return Status::Ok();
  // Pages populated ahead of the end are written with it and protected again: the writer will fault on each of them
  // once, or on each large one.
  int64_t ahead = 0;
  std::shared_ptr<Segment> segment;
  if (log_->Find(end - 1, &segment).ok() && segment) {
    const int64_t at = end - segment->from();
    ahead = std::max<int64_t>(0, segment->populated_to.load(std::memory_order_relaxed) - at);
    if (ahead > 0) ahead /= platform::MappedLarge(segment->base() + at) ? platform::kLargePageBytes : kPageBytes;
  }
  const auto started = Clock::now();
  log_->DropFromTable(from, end);
  if (Sings(Canary::kAcknowledgeBeforeSync)) flushed_.store(end, std::memory_order_release);
  Status status = log_->Sync(from, end);
  syncs_.fetch_add(1, std::memory_order_relaxed);
  sync_latency_.Record(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - started).count());
  if (!status.ok()) {
    status.AddToMessage("; what is on disk behind log offset " + std::to_string(from) +
                        " is not known: close the store and open it again");
    status.code = Code::kSyncFailed;
    SetFailed(status);
    return status;
  }
  refaulted_pages_.fetch_add(ahead, std::memory_order_relaxed);
  flushed_timestamp_.store(timestamp, std::memory_order_relaxed);
  flushed_.store(end, std::memory_order_release);
  return status;
}

void Flusher::SetFailed(const Status& failure) {
  std::lock_guard lock(mutex_);
  if (failure_.ok()) failure_ = failure;
  failed_.store(true, std::memory_order_release);
}

void Flusher::Fail(const Status& failure) {
  SetFailed(failure);
  Notify();
}

Status Flusher::SyncTo(int64_t target, int64_t timeout_ms, bool* done) {
  *done = true;
  if (flushed() >= target) return Status::Ok();
  if (!syncing_.LockFor(std::chrono::milliseconds(timeout_ms))) {
    *done = false;
    return Status::Ok();
  }
  const bool covered = flushed() >= target;
  const Status status = covered ? Status::Ok() : SyncLocked();
  syncing_.Unlock();
  if (!covered) Notify();
  return status;
}

void Flusher::Request(int64_t target) {
  {
    std::lock_guard lock(mutex_);
    if (target <= requested_) return;
    requested_ = target;
  }
  wake_.notify_one();
}

int Flusher::AddListener(std::function<void()> listener) {
  std::lock_guard lock(listeners_mutex_);
  listeners_[next_listener_] = std::move(listener);
  return next_listener_++;
}

void Flusher::RemoveListener(int id) {
  std::lock_guard lock(listeners_mutex_);
  listeners_.erase(id);
}

void Flusher::Notify() {
  std::lock_guard lock(listeners_mutex_);
  for (auto& [id, listener] : listeners_) listener();
}

void Flusher::Run() {
  platform::NameThread("mr-flusher");
  MappingGuard::PrepareThread();
  auto last_flush = Clock::now(), last_thorough = last_flush;
  int64_t written_back = flushed();
  std::unique_lock lock(mutex_);
  while (!stop_) {
    bool done = false;
    if (options_.synchronous) {
      wake_.wait(lock, [this] { return stop_ || (requested_ > flushed() && !failed()); });
      if (stop_) break;
      const int64_t target = requested_;
      lock.unlock();
      (void)SyncTo(target, INT32_MAX, &done);  // the failure is kept
      lock.lock();
      continue;
    }
    const int64_t before = log_->published();
    const auto interval = std::chrono::milliseconds(options_.interval_ms);
    const bool busy = before - written_back >= kWriteBackBytes / 8;
    wake_.wait_for(lock, busy ? std::min<Clock::duration>(kWriteBackLook, interval) : interval,
                   [this] { return stop_ || (requested_ > flushed() && !failed()); });
    if (stop_) break;
    const int64_t requested = requested_;
    lock.unlock();
    const auto now = Clock::now();
    const int64_t end = log_->published(), from = flushed();
    const bool thorough = now - last_thorough >= std::chrono::milliseconds(options_.thorough_interval_ms);
    if (requested > from) {
      (void)SyncTo(requested, INT32_MAX, &done);
      last_flush = now;
    } else if (now - last_flush >= interval && !failed()) {
      last_flush = now;
      if (thorough) last_thorough = now;
      if (end > from && (thorough || end / kPageBytes - from / kPageBytes >= options_.least_pages))
        (void)SyncTo(end, INT32_MAX, &done);
    }
    written_back = std::max(written_back, flushed());
    if (end - written_back >= kWriteBackBytes) {
      const int64_t to = end & ~(platform::kLargePageBytes - 1);  // a large page goes to disk whole
      log_->DropFromTable(written_back, to);
      log_->StartWriteBack(written_back, to);
      written_back = to;
    }
    lock.lock();
  }
}

}  // namespace millrace
