// The thread that works ahead of the writer: has the next segment made, reserves disk, and populates pages in a window
// that follows the write rate. When nothing is written it sleeps: an idle store populates nothing and reserves nothing
// more.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include "log_directories.h"
#include "segment.h"
#include "thread.h"

namespace millrace {

class SegmentKeeper {
 public:
  // A writer slower than this, or than half of it once pages were made for it, does without: a pwrite for each of its
  // commits takes less of its time than the pages take of another processor's, and of the disk's, which writes large
  // pages whole again and again.
  static constexpr double kPopulateBytesPerSecond = 100e6;

  // Only disk is reserved: for synchronous flush, where every sync would protect the pages again.
  static constexpr double kNeverPopulate = std::numeric_limits<double>::infinity();

  // `directories` know where segments are born, and outlive the keeper. Pages are made for a writer of more than
  // `populate_above` bytes a second. One that has rested for `rest` has no segments made ahead any more.
  SegmentKeeper(FileSystem* files, const LogDirectories* directories, int64_t segment_bytes, double populate_above,
                std::chrono::milliseconds rest = std::chrono::seconds(10));
  ~SegmentKeeper() { Stop(); }

  Status Start();
  void Stop();

  // A new segment at log offset `from`, in its directory; the one made ahead if it is ready, else made here. The caller
  // owns the directory's sync.
  Status Take(int64_t from, std::shared_ptr<Segment>* out);

  // The writer tells where it is, under the append lock: which segment, up to which byte of it.
  void Follow(const std::shared_ptr<Segment>& segment, int64_t file_offset);
  void Advance(int64_t file_offset) {
    written_.store(file_offset, std::memory_order_release);
    if (asleep_.load(std::memory_order_relaxed) && ++appends_asleep_ > kWakeAfter) Wake();
  }

  // The writer, come past the keeper's pages with little to write: makes [file_offset, end) of its segment present and
  // some more, and returns where that ends, or file_offset if nothing was done. Only for a fast writer: pages for a
  // slow one would go to disk before they hold anything.
  int64_t FillHere(Segment& segment, int64_t file_offset, int64_t end);

  int64_t populated_bytes() const { return populated_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kWakeAfter = 64;

  void Run();
  void Wake();
  Status Make(const LogDirectory& directory, int64_t reserve_bytes, std::shared_ptr<Segment>* out);
  // Zeros for [from, to) but for the page that `from` lies inside, which holds something already; all of it mapped.
  // False where that can't be.
  bool Fill(Segment& segment, int64_t from, int64_t to);
  void MakeNext(const Segment& segment, int64_t left);
  void RemoveNext();
  // True when something was done and there may be more.
  bool WorkAhead(Segment& segment);

  FileSystem* const files_;
  const LogDirectories* const directories_;
  const int64_t segment_bytes_;
  const double populate_above_;
  const std::chrono::milliseconds rest_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<Segment> current_;
  std::mutex making_;
  // The next segments, or null where one could not be made. Each is made by a thread of its own: that may wait for a
  // busy disk, and the writer needs pages meanwhile.
  struct Making {
    std::shared_ptr<Segment> segment;  // when the thread has ended
    Thread thread;
  };
  std::deque<std::unique_ptr<Making>> next_;
  std::atomic<uint64_t> made_{0};
  bool stop_ = false;
  // The keeper's own: how fast the writer has been for some milliseconds, which pages are made for, and for some tens
  // of them, which disk is reserved for.
  double bytes_per_second_ = 0, lasting_bytes_per_second_ = 0;
  std::atomic<bool> populating_{false};  // the writer is fast enough for it
  std::atomic<bool> asleep_{false};
  std::atomic<int64_t> written_{0};
  std::atomic<int64_t> populated_bytes_{0};
  std::atomic<const Segment*> given_up_{nullptr};  // its pages can't be populated
  int appends_asleep_ = 0;                         // under the append lock
  Thread thread_;
};

}  // namespace millrace
