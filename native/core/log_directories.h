// Where the segments of a log lie: one directory, or several that disks of their own are mounted under. Which of them a
// segment is in does not matter to anybody but him who makes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "file_system.h"
#include "store_paths.h"

namespace millrace {

class LogDirectories {
 public:
  // A directory whose disk is used to more than `full_above` gets no further segment, unless all are.
  LogDirectories(FileSystem* files, std::vector<LogDirectory> directories, double full_above)
      : files_(files), directories_(std::move(directories)), full_above_(full_above) {}

  const std::string& first() const { return directories_.front().path; }
  // True where a log may be: one of them is there. A link or a file in the place of one is refused.
  Status Exist(bool* exist) const;
  // Makes those that segments are made in, and the folders that they are born in.
  Status Make() const;
  // The folders that segments are born in, each once.
  std::vector<std::string> Births() const;

  struct File {
    std::string name, path;
    DirectoryEntry::Kind kind;
  };
  // What lies in all of them, by name.
  Status List(std::vector<File>* out) const;
  // The length of a segment; 0 where there is none.
  int64_t SegmentLength() const;
  // Where segment number `number` of the log is made, as RocketMQ chooses it.
  const LogDirectory& For(int64_t number) const;
  // How full the emptiest disk is that segments are made on, 0 to 1; -1: not known.
  double LeastUsed() const;
  // The names in all of them are on disk.
  Status Sync() const;

 private:
  Status IsThere(const LogDirectory& directory, bool* exists) const;

  FileSystem* const files_;
  const std::vector<LogDirectory> directories_;
  const double full_above_;
};

}  // namespace millrace
