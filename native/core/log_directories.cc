#include "log_directories.h"

#include <algorithm>

#include "canary.h"

namespace millrace {

Status LogDirectories::IsThere(const LogDirectory& directory, bool* exists) const {
  return CheckFolder(files_, directory.path, false, exists);
}

Status LogDirectories::Exist(bool* exist) const {
  *exist = false;
  for (const LogDirectory& directory : directories_) {
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(IsThere(directory, &exists));
    *exist = *exist || exists;
  }
  return Status::Ok();
}

Status LogDirectories::Make() const {
  bool made = false;
  for (const LogDirectory& directory : directories_) {
    if (directory.read_only) continue;
    MILLRACE_RETURN_IF_ERROR(MakeFolders(files_, directory.path));
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, directory.birth, true, &made));
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, directory.path, true, &made));
  }
  return Status::Ok();
}

std::vector<std::string> LogDirectories::Births() const {
  std::vector<std::string> births;
  for (const LogDirectory& directory : directories_)
    if (!directory.read_only && std::find(births.begin(), births.end(), directory.birth) == births.end())
      births.push_back(directory.birth);
  return births;
}

Status LogDirectories::List(std::vector<File>* out) const {
  for (const LogDirectory& directory : directories_) {
    bool exists = true;
    if (directories_.size() > 1) MILLRACE_RETURN_IF_ERROR(IsThere(directory, &exists));
    if (!exists) continue;
    std::vector<DirectoryEntry> entries;
    MILLRACE_RETURN_IF_ERROR(files_->List(directory.path, &entries));
    for (const auto& entry : entries) out->push_back({entry.name, directory.path + "/" + entry.name, entry.kind});
  }
  std::stable_sort(out->begin(), out->end(), [](const File& a, const File& b) { return a.name < b.name; });
  return Status::Ok();
}

int64_t LogDirectories::SegmentLength() const {
  for (const LogDirectory& directory : directories_)
    if (const int64_t bytes = FoundLength(files_, directory.path, 0); bytes > 0) return bytes;
  return 0;
}

const LogDirectory& LogDirectories::For(int64_t number) const {
  std::vector<const LogDirectory*> writable, roomy;
  for (const LogDirectory& directory : directories_)
    if (!directory.read_only) writable.push_back(&directory);
  if (writable.size() > 1)
    for (const LogDirectory* directory : writable)
      if (DiskUsed(files_, directory->path) <= full_above_) roomy.push_back(directory);
  const auto& candidates = roomy.empty() ? writable : roomy;
  return *candidates[static_cast<size_t>(number) % candidates.size()];
}

double LogDirectories::LeastUsed() const {
  double least = -1;
  for (const LogDirectory& directory : directories_) {
    const double used = directory.read_only ? -1 : DiskUsed(files_, directory.path);
    if (used >= 0 && (least < 0 || used < least)) least = used;
  }
  return least;
}

Status LogDirectories::Sync() const {
  for (const LogDirectory& directory : directories_) {
    bool exists = true;
    if (directory.read_only) MILLRACE_RETURN_IF_ERROR(IsThere(directory, &exists));
    if (exists && !Sings(Canary::kNoDirectorySync)) MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(directory.path));
  }
  return Status::Ok();
}

}  // namespace millrace
