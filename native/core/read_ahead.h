// The log is asked for ahead of who walks it, by a thread of its own: the kernel's own reading ahead of a mapping is
// too little to keep a disk busy, and to ask for a page that is not in memory costs as much as to look at what lies in
// it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "commit_log.h"
#include "thread.h"

namespace millrace {

class ReadAhead {
 public:
  // `segments` are open. Where no thread can be had, nothing is asked for.
  ReadAhead(FileSystem* files, std::shared_ptr<const SegmentList> segments, int64_t from);
  ~ReadAhead();

  // The walk has come to log offset `at`, which rises.
  void Reach(int64_t at) {
    if (at >= tell_at_) Tell(at);
  }

 private:
  void Tell(int64_t at);
  void Run();

  FileSystem* const files_;
  const std::shared_ptr<const SegmentList> segments_;
  int64_t tell_at_;  // the walker's
  std::mutex mutex_;
  std::condition_variable told_;
  int64_t reached_;
  bool stopping_ = false;
  Thread thread_;
};

}  // namespace millrace
