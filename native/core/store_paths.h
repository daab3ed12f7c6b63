// Where everything of a store lies, and the names of its files. `work` and each log directory's `birth` are millrace's
// own folders, where files are born.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "file_system.h"
#include "status.h"

namespace millrace {

struct LogDirectory {
  std::string path;
  std::string birth;       // on the same file system
  bool read_only = false;  // its segments are read, and deleted when they are old; none is made there
};

struct StorePaths {
  std::string root;
  std::vector<LogDirectory> logs;  // commitlog/, or where storePathCommitLog and readOnlyCommitLogStorePaths say
  std::string queues;              // consumequeue/
  std::string extensions;          // consumequeue_ext/
  std::string index;               // index/
  std::string work;                // millrace/
  std::string checkpoint, abort, lock, position, queue_table, forgotten;

  // Without any directory of a log it is commitlog/. One that is in both lists is read-only.
  static StorePaths Of(const std::string& root, const std::vector<std::string>& logs = {},
                       const std::vector<std::string>& read_only_logs = {});
};

// Twenty digits, as Java names a segment by its first byte.
std::string SegmentName(int64_t from);
// False unless the name is 20 ASCII digits of a non-negative number.
bool ParseSegmentName(std::string_view name, int64_t* from);

// RocketMQ's set: % | - _ 0-9 a-z A-Z, 1 to 127 bytes (255 where an existing directory has it: 5.x's retry topics).
// Nothing in it leaves a folder.
bool IsTopicName(std::string_view topic, size_t max_bytes);

// Makes a folder and those above it that are missing, and makes their names durable.
Status MakeFolders(FileSystem* files, const std::string& path);

// Refuses a symbolic link, or a file where a folder belongs; makes the folder where it is missing and `make` is set.
Status CheckFolder(FileSystem* files, const std::string& path, bool make, bool* exists);

// How full the disk is that a path lies on, 0 to 1, rounded up to a whole percent, as RocketMQ compares it; -1: not
// known.
double DiskUsed(FileSystem* files, const std::string& path);

// The length of the first file with a segment's name in `directory`, or `depth` folders below it; 0 when there is none.
// Nothing is judged here: loading does that.
int64_t FoundLength(FileSystem* files, const std::string& directory, int depth);

}  // namespace millrace
