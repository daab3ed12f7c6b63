// A queue's extension (consumequeue_ext/, off by default): for each message of the queue its real tag code and store
// time. The queue's unit has the address instead of the tag code. The only writer of this layout
// (src/format/queue-extension.ts reads it).
//
//  0      2            10           18            20
//  ├ size ┼ tag code   ┼ store time ┼ bits length ┼ filter bits ┤   big-endian; size is 20 + bits length
//
// Units lie back to back. One that would come closer than four bytes to a file's end goes into the next file, and a
// size of -1 stands where it would have been. Filter bits are a broker's: units that were read may have some, those
// that are written here have none. Put by one thread at a time, like the queue's own units.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "descriptor_cache.h"
#include "file_system.h"

namespace millrace {

class ConsumeQueues;

// The file that was last noted as written, and the period between two syncs in which it was.
struct UnsyncedNote {
  uint32_t epoch = 0;
  int64_t file = -1;
};

constexpr int kExtensionUnitBytes = 20;
constexpr int kExtensionEndBytes = 4;

// A tag code that is the address of an extension unit lies below every hash and every time.
constexpr bool IsExtensionAddress(int64_t tag_code) { return tag_code < INT32_MIN; }

class QueueExtension {
 public:
  QueueExtension(ConsumeQueues* owner, std::shared_ptr<const std::string> topic, int32_t queue_id);

  // Lists the files; checks names and lengths.
  Status Load();
  // What lies behind the unit at `address` goes; without one (it is no address), what lies behind the last unit.
  Status CutBehind(int64_t address);
  // Forgets all units and files.
  Status Reset();
  // Makes sure that `units` more can be put without a failure.
  Status Prepare(int64_t units);
  // Gives the unit's address.
  int64_t Put(int64_t tag_code, int64_t store_timestamp);
  // Before the queue's own units are written: none of them points to what is in memory alone.
  Status WriteOut();
  void FreeTail() { tail_.shrink_to_fit(); }
  // Writes once more what its files have from `address` on.
  Status Rewrite(int64_t address);
  // Whether the unit of a message lies at `address`. A delayed one's tag code is a time, that of a store whose delays
  // are not known any later one.
  bool Holds(int64_t address, int64_t tag_code, int64_t store_timestamp, bool delayed);
  // Adds the paths of files that end before `address` to *expired, which are the caller's to remove.
  void Expire(int64_t address, std::deque<std::string>* expired);
  // Of a closing store: files that never came to hold a unit.
  Status RemoveMadeAhead();

 private:
  int64_t file_bytes() const;
  int64_t PlaceAfter(int64_t end) const;
  int64_t written() const { return end_ - static_cast<int64_t>(tail_.size()); }
  std::string Directory() const;
  std::string FilePath(int64_t file) const;
  std::string BirthPath(int64_t file) const;
  std::string CurrentPath(int64_t file) const { return file > last_file_ ? BirthPath(file) : FilePath(file); }
  Status Descriptor(int64_t file, std::shared_ptr<DescriptorCache::Holder>* out);
  Status Read(int64_t offset, int64_t count, uint8_t* bytes, int64_t* got);
  Status MakeFile(int64_t file);
  Status PutInPlace(int64_t file);
  Status WriteBytes(int64_t offset, const uint8_t* bytes, int64_t count);
  Status EndOfLastFile(int64_t* end);

  ConsumeQueues* const owner_;
  const std::shared_ptr<const std::string> topic_;
  const int32_t queue_id_;
  int64_t first_file_ = 0, last_file_ = -1;  // in place
  int64_t made_to_ = -1;                     // files behind the last one, up to this, are made
  int64_t end_ = 0;                          // where the next unit goes, or the mark before it
  int64_t reserved_ = 0;                     // up to which there are blocks
  std::vector<uint8_t> tail_;                // what ends at end_ and is not in the files yet
  UnsyncedNote unsynced_;
  std::vector<std::string> lost_;  // files that are as good as not there
};

}  // namespace millrace
