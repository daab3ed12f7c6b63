// Sends on descriptors that are not ready at once: a thread that waits for them, so that who queues something never
// does.
//
// Who sends what it has added sends what the descriptor takes on its own thread; the rest is left to the sender's
// thread, and so is what is sent until all is out. A target's items are added and sent by one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "thread.h"
#include "transfer.h"

namespace millrace {

class Sender {
 public:
  // What has become of a target's items, oldest first: so many are out; with an error the rest never will be.
  struct Progress {
    uint64_t target;
    int64_t items;
    Status status;
  };

  // `on_progress` is called on the sender's thread, once until TakeProgress() was called. A descriptor that takes
  // nothing for `stall_ms` is given up (0: never).
  explicit Sender(std::function<void()> on_progress) : on_progress_(std::move(on_progress)) {}
  ~Sender() { Stop(); }

  // Takes the descriptor.
  Status Open(int fd, int64_t stall_ms, uint64_t* target);
  // The item leaves with the next Send().
  Status Add(uint64_t target, TransferItem item);
  // *out: all that was added is with the kernel, and no progress will be told of it.
  Status Send(uint64_t target, bool* out);
  // Forgets what is queued, without progress, and closes the descriptor.
  void Close(uint64_t target);
  std::vector<Progress> TakeProgress();
  void Stop();

 private:
  struct Target {
    Target(uint64_t its_id, int fd, int64_t its_stall_ms) : id(its_id), stall_ms(its_stall_ms), transfer(fd) {}
    const uint64_t id;
    const int64_t stall_ms;
    Transfer transfer;                // the sender's thread's while `with_thread`, else of who sends
    std::vector<TransferItem> added;  // of who adds
    std::mutex mutex;                 // of what follows
    bool with_thread = false, closed = false;
    Status failed;
    std::vector<TransferItem> incoming;  // while with the thread
    // As `transfer`: when something went out last, and items that are out and were not told.
    int64_t moved_ms = 0, untold = 0;
  };
  using TargetPointer = std::shared_ptr<Target>;

  TargetPointer Find(uint64_t target);
  void Run();
  // Sends what is ready to go. False when the thread has nothing more to do with the target.
  bool Work(Target* target, bool ready);
  void Tell(const Target& target, int64_t items, Status status);
  void Wake();

  const std::function<void()> on_progress_;
  std::mutex mutex_;  // the rest; never held while a target's is taken
  std::unordered_map<uint64_t, TargetPointer> targets_;
  uint64_t next_target_ = 1;
  std::vector<TargetPointer> handed_over_;
  std::vector<Progress> progress_;
  bool stop_ = false;
  int wake_read_ = -1, wake_write_ = -1;
  Thread thread_;
};

}  // namespace millrace
