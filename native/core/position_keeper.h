// Keeps millrace/position. A thread of its own writes how far the log is on disk soon after each sync, whatever a
// checkpoint is busy with, so that damage to what was acknowledged is never taken for a torn tail.
#pragma once

#include <condition_variable>
#include <mutex>

#include "checkpoint.h"
#include "flusher.h"
#include "thread.h"

namespace millrace {

class PositionKeeper {
 public:
  PositionKeeper(FileSystem* files, const StorePaths& paths, Flusher* flusher)
      : files_(files), paths_(paths), flusher_(flusher), file_(files, paths) {}
  ~PositionKeeper() { Stop(); }

  // -- before Start()
  // What was known when the store was last written; *exists = false when nothing is, or when somebody else has written
  // to it since, as `checkpoint`, the file's content, shows.
  Status Read(const Checkpoint& checkpoint, Position* position, bool* exists);
  // What lies behind `end` was given up: it must not be asked for again.
  void CutAt(int64_t end);
  // The log is on disk up to `end`, as whoever calls has seen to.
  void SyncedTo(int64_t end) { position_.synced = end; }
  // Takes back, on disk too, what it says of queues and index.
  Status Retract();

  // From here on every sync of the log is written down.
  Status Start();
  // Ends the thread. A sync that it has not come to is left to Advance().
  void Stop();

  // -- any thread
  // Says how far the log is on disk now.
  Status Advance();
  // Says as well that queues and index have on disk what the log has below `dispatched`, here and in Java's checkpoint.
  Status WriteCheckpoint(const Checkpoint& checkpoint, int64_t dispatched, bool closing);

 private:
  void Note();
  void Run();
  Status Write(Position position);

  FileSystem* const files_;
  const StorePaths paths_;
  Flusher* const flusher_;
  std::mutex write_mutex_;  // held while a position or the checkpoint is written, and by no one who syncs anything else
  PositionFile file_;
  Position position_;  // as it is in the file

  std::mutex mutex_;  // the rest; held for moments
  std::condition_variable wake_;
  bool noted_ = false, stop_ = false;
  int listener_ = 0;
  Thread thread_;
};

}  // namespace millrace
