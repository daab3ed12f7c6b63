// Topics that were deleted: of each the log offset below which nobody is to see its messages any more, though the log
// has them until retention takes them. Their queues go on: a number is never given twice, and an offset that a consumer
// has kept still stands for the place where it was.
//
//   millrace/forgotten:  magic, count; each: u8 topic bytes, i64 log offset, topic; a CRC of everything   big-endian
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "file_system.h"
#include "store_paths.h"

namespace millrace {

class Forgotten {
 public:
  Forgotten(FileSystem* files, const StorePaths& paths) : files_(files), work_(paths.work), path_(paths.forgotten) {}

  // A file that is damaged says nothing: what was deleted is seen again then, and nothing is lost.
  Status Load();
  // 0: everything is seen.
  int64_t To(std::string_view topic) const;
  const std::map<std::string, int64_t, std::less<>>& all() const { return topics_; }
  // Durable when it returns. What the log has lost anyway (below `log_min`) is left out from now on.
  Status Forget(std::string_view topic, int64_t to, int64_t log_min);
  // A log that ends earlier than it did gives the offsets behind its end to messages that are new.
  Status CutAt(int64_t log_end, bool writable);

 private:
  Status Write() const;

  FileSystem* const files_;
  const std::string work_, path_;
  std::map<std::string, int64_t, std::less<>> topics_;
};

}  // namespace millrace
