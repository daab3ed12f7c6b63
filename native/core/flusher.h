// Makes the log durable: under synchronous flush at once and for all who wait together, under asynchronous flush at
// intervals, with write-back begun early so that an fdatasync never has much to do. After a failed sync nobody knows
// what is on disk: nothing is called flushed any more.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "commit_log.h"
#include "histogram.h"
#include "thread.h"

namespace millrace {

// A lock that can be given up on. (std::timed_mutex waits by a call that ThreadSanitizer does not know.)
class PatientLock {
 public:
  bool LockFor(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (!free_.wait_for(lock, patience, [this] { return !held_; })) return false;
    held_ = true;
    return true;
  }
  void Unlock() {
    {
      std::lock_guard lock(mutex_);
      held_ = false;
    }
    free_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  bool held_ = false;
};

class Flusher {
 public:
  struct Options {
    bool synchronous = false;
    int64_t interval_ms = 500;             // flushIntervalCommitLog
    int64_t least_pages = 4;               // flushCommitLogLeastPages
    int64_t thorough_interval_ms = 10000;  // flushCommitLogThoroughInterval
  };

  Flusher(CommitLog* log, Options options) : log_(log), options_(options) {}
  ~Flusher() { Stop(); }
  Status Start(int64_t flushed);
  void Stop();

  bool synchronous() const { return options_.synchronous; }
  int64_t flushed() const { return flushed_.load(std::memory_order_acquire); }
  // Store time of the newest message known to be flushed.
  int64_t flushed_timestamp() const { return flushed_timestamp_.load(std::memory_order_relaxed); }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  Status failure() const;

  // A sync of what follows the log has failed: from here on nothing is called flushed any more. The first failure is
  // kept.
  void Fail(const Status& failure);

  // The appender tells after publishing; read before `published` is, so that it never runs ahead.
  void NoteAppended(int64_t store_timestamp) { last_timestamp_.store(store_timestamp, std::memory_order_release); }

  // Blocks until the log is on disk up to `target`: leads the sync, or joins the one that runs and leads the next.
  // *done = false after the timeout.
  Status SyncTo(int64_t target, int64_t timeout_ms, bool* done);
  // Asks the flusher's thread to do it; listeners hear when flushed() has moved.
  void Request(int64_t target);

  // Called on whatever thread synced, after flushed() moved or the flusher failed; must be short. RemoveListener
  // returns when no call is running.
  int AddListener(std::function<void()> listener);
  void RemoveListener(int id);

  struct Counters {
    int64_t syncs = 0, sync_nanoseconds = 0, refaulted_pages = 0;
  };
  Counters counters() const;
  const Histogram& sync_latency() const { return sync_latency_; }  // nanoseconds

 private:
  void Run();
  Status SyncLocked();
  void SetFailed(const Status& failure);
  void Notify();

  CommitLog* const log_;
  const Options options_;
  PatientLock syncing_;  // held by who syncs
  std::atomic<int64_t> flushed_{0};
  std::atomic<int64_t> flushed_timestamp_{0}, last_timestamp_{0};
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;  // the rest
  Status failure_;
  std::condition_variable wake_;
  int64_t requested_ = 0;
  bool stop_ = false;
  std::mutex listeners_mutex_;
  std::map<int, std::function<void()>> listeners_;
  int next_listener_ = 1;
  std::atomic<int64_t> syncs_{0}, refaulted_pages_{0};
  Histogram sync_latency_;
  Thread thread_;
};

}  // namespace millrace
