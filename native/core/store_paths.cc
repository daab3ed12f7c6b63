#include "store_paths.h"

#include <algorithm>
#include <cstdio>

namespace millrace {

StorePaths StorePaths::Of(const std::string& root, const std::vector<std::string>& logs,
                          const std::vector<std::string>& read_only_logs) {
  StorePaths paths;
  paths.root = root;
  paths.work = root + "/millrace";
  const auto has = [](const std::vector<std::string>& list, const std::string& path) {
    return std::find(list.begin(), list.end(), path) != list.end();
  };
  const auto add = [&](const std::string& path, bool read_only) {
    // A log outside the root may lie on another file system, and a rename can't cross: its files are born beside it.
    const bool inside = path.compare(0, root.size() + 1, root + "/") == 0;
    paths.logs.push_back({path, inside ? paths.work : path + ".millrace", read_only});
  };
  for (const std::string& path : logs) add(path, has(read_only_logs, path));
  if (logs.empty()) add(root + "/commitlog", has(read_only_logs, root + "/commitlog"));
  for (const std::string& path : read_only_logs)
    if (!has(logs, path) && !(logs.empty() && path == root + "/commitlog")) add(path, true);
  paths.queues = root + "/consumequeue";
  paths.extensions = root + "/consumequeue_ext";
  paths.index = root + "/index";
  paths.checkpoint = root + "/checkpoint";
  paths.abort = root + "/abort";
  paths.lock = root + "/lock";
  paths.position = paths.work + "/position";
  paths.queue_table = paths.work + "/queues";
  paths.forgotten = paths.work + "/forgotten";
  return paths;
}

std::string SegmentName(int64_t from) {
  char name[32];
  snprintf(name, sizeof name, "%020lld", static_cast<long long>(from));
  return name;
}

bool ParseSegmentName(std::string_view name, int64_t* from) {
  if (name.size() != 20) return false;
  uint64_t value = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return false;
    if (value > (INT64_MAX - 9) / 10) return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  *from = static_cast<int64_t>(value);
  return true;
}

bool IsTopicName(std::string_view topic, size_t max_bytes) {
  if (topic.empty() || topic.size() > max_bytes) return false;
  for (const char c : topic) {
    const bool legal = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '%' ||
                       c == '|' || c == '-' || c == '_';
    if (!legal) return false;
  }
  return true;
}

Status MakeFolders(FileSystem* files, const std::string& path) {
  FileInfo info;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(files->Stat(path, &info, &exists));
  if (exists) return Status::Ok();
  const size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
  MILLRACE_RETURN_IF_ERROR(MakeFolders(files, parent));
  MILLRACE_RETURN_IF_ERROR(files->MakeDirectory(path));
  return files->SyncDirectory(parent);  // what a folder holds is lost with its name
}

Status CheckFolder(FileSystem* files, const std::string& path, bool make, bool* exists) {
  FileInfo info;
  MILLRACE_RETURN_IF_ERROR(files->Stat(path, &info, exists));
  if (*exists) {
    if (info.kind == DirectoryEntry::Kind::kLink)
      return Status::Error(Code::kUnsafePath, "is a symbolic link where a folder of the store belongs", path);
    if (info.kind != DirectoryEntry::Kind::kDirectory) return Status::Error(Code::kForeignFile, "is no folder", path);
    return Status::Ok();
  }
  if (!make) return Status::Ok();
  MILLRACE_RETURN_IF_ERROR(files->MakeDirectory(path));
  *exists = true;
  return Status::Ok();
}

double DiskUsed(FileSystem* files, const std::string& path) {
  DiskUse use;
  if (!files->AskDiskUse(path, &use).ok() || use.used + use.available <= 0) return -1;
  const int64_t whole = use.used + use.available;
  const int64_t percent = (100 * use.used + whole - 1) / whole;
  return static_cast<double>(percent) / 100;
}

int64_t FoundLength(FileSystem* files, const std::string& directory, int depth) {
  std::vector<DirectoryEntry> entries;
  if (!files->List(directory, &entries).ok()) return 0;
  for (const auto& entry : entries) {
    const std::string path = directory + "/" + entry.name;
    int64_t from = 0;
    if (depth > 0 && entry.kind == DirectoryEntry::Kind::kDirectory) {
      if (const int64_t bytes = FoundLength(files, path, depth - 1); bytes > 0) return bytes;
    } else if (depth == 0 && entry.kind == DirectoryEntry::Kind::kFile && ParseSegmentName(entry.name, &from)) {
      FileInfo info;
      bool exists = false;
      if (files->Stat(path, &info, &exists).ok() && exists && info.bytes > 0) return info.bytes;
    }
  }
  return 0;
}

}  // namespace millrace
