#include "power_cut_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

namespace millrace::test {

namespace {

constexpr size_t kPage = 4096, kSector = 512;
constexpr size_t kMaxBetween = 3;

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string PageOf(const std::string& contents, size_t page) {
  std::string bytes = page * kPage < contents.size() ? contents.substr(page * kPage, kPage) : std::string();
  bytes.resize(kPage);
  return bytes;
}

[[noreturn]] void Die(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

}  // namespace

bool PowerCut::Change::Touches(const Change& other) const {
  if (kind == Kind::kLength || other.kind == Kind::kLength) return kind == other.kind && file == other.file;
  for (const std::string* mine : {&path, &to})
    if (!mine->empty() && (*mine == other.path || *mine == other.to)) return true;
  return false;
}

void PowerCut::Build(const std::string& directory, uint64_t seed) const {
  std::mt19937_64 random(seed);
  const auto one_in = [&](unsigned n) { return random() % n == 0; };
  // Extremes often: what was not synced is all gone, all there, or a mixture.
  enum { kNothing, kEverything, kPrefix, kAnything };
  const auto names_style = random() % 4;
  const auto data_style = random() % 4;
  const bool sectors = one_in(3);
  const unsigned odds = 2 + random() % 4;

  std::map<std::string, size_t> names = names_;
  std::map<size_t, size_t> lengths;
  const auto length_of = [&](size_t file) -> size_t& {
    return lengths.try_emplace(file, files_[file]->synced.size()).first->second;
  };
  const size_t prefix = changes_.empty() ? 0 : random() % (changes_.size() + 1);
  std::vector<const Change*> undone;
  for (size_t i = 0; i < changes_.size(); i++) {
    const Change& change = changes_[i];
    bool done = names_style == kEverything || (names_style == kPrefix && i < prefix) ||
                (names_style == kAnything && !one_in(odds));
    // What was done to one name or file was done in order.
    for (const Change* before : undone) done = done && !change.Touches(*before);
    if (!done) {
      undone.push_back(&change);
      continue;
    }
    switch (change.kind) {
      case Change::Kind::kCreate:
        names[change.path] = change.file;
        break;
      case Change::Kind::kUnlink:
        names.erase(change.path);
        break;
      case Change::Kind::kRename:
        names.erase(change.path);
        names[change.to] = change.file;
        break;
      case Change::Kind::kLength:
        length_of(change.file) = change.length;
        break;
    }
  }

  if (mkdir(directory.c_str(), 0755) != 0) Die(directory);
  std::set<std::string> folders{root_};
  for (const auto& [name, number] : names) {  // a folder comes before what is in it
    if (!folders.contains(ParentOf(name))) continue;
    const std::string path = directory + name.substr(root_.size());
    const File& file = *files_[number];
    if (file.directory) {
      if (mkdir(path.c_str(), 0755) != 0) Die(path);
      folders.insert(name);
      continue;
    }
    size_t length = length_of(number);
    const bool all_new = data_style == kEverything;
    const bool length_pending = std::any_of(changes_.begin(), changes_.end(), [&, n = number](const Change& change) {
      return change.kind == Change::Kind::kLength && change.file == n;
    });
    // A write behind the end moves it.
    if (file.now.size() > length && !length_pending && (all_new || (data_style != kNothing && one_in(2))))
      length = file.now.size();
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(length)) != 0) Die(path);
    const std::string hole(kPage, '\0');
    for (size_t page = 0; page * kPage < length; page++) {
      const std::string before = PageOf(file.synced, page), now = PageOf(file.now, page);
      std::vector<const std::string*> held{&before};
      if (const auto found = file.between.find(page); found != file.between.end())
        for (const std::string& bytes : found->second) held.push_back(&bytes);
      held.push_back(&now);
      std::string bytes = data_style == kNothing ? before : now;
      if (data_style == kPrefix || data_style == kAnything) {
        bytes = *held[random() % held.size()];
        if (sectors && one_in(2))
          for (size_t at = 0; at < kPage; at += kSector)
            bytes.replace(at, kSector, *held[random() % held.size()], at, kSector);
      }
      const size_t part = std::min(kPage, length - page * kPage);
      if (bytes != hole &&
          pwrite(fd, bytes.data(), part, static_cast<off_t>(page * kPage)) != static_cast<ssize_t>(part))
        Die(path);
    }
    close(fd);
  }
}

PowerCutFileSystem::PowerCutFileSystem(std::string root, Witness witness, Lie lie)
    : ForwardingFileSystem(PosixFileSystem()), root_(std::move(root)), witness_(std::move(witness)), lie_(lie) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_))
    Add(entry.path(), entry.is_directory());
  synced_ = live_;
}

PowerCutFileSystem::~PowerCutFileSystem() {
  for (const auto& node : nodes_)
    if (node->fd >= 0) close(node->fd);
}

void PowerCutFileSystem::CutBefore(std::set<int64_t> operations) {
  std::lock_guard lock(mutex_);
  cut_before_ = std::move(operations);
}

void PowerCutFileSystem::CutNow() {
  std::lock_guard lock(mutex_);
  TakeCut();
}

std::vector<std::shared_ptr<const PowerCut>> PowerCutFileSystem::cuts() const {
  std::lock_guard lock(mutex_);
  return cuts_;
}

void PowerCutFileSystem::Observe() {
  std::lock_guard lock(mutex_);
  for (const auto& [path, file] : live_)
    if (nodes_[file]->mapped) Remember(*nodes_[file]);
}

void PowerCutFileSystem::BeforeChange() {
  if (cut_before_.erase(operations_++) > 0) TakeCut();
}

void PowerCutFileSystem::TakeCut() {
  auto cut = std::make_shared<PowerCut>();
  cut->operation = operations_;
  cut->acknowledged = witness_.acknowledged();
  cut->root_ = root_;
  for (const auto& node : nodes_) {
    auto file = std::make_shared<PowerCut::File>();
    file->directory = node->directory;
    file->synced = node->synced;
    file->now = Writable(*node);
    file->between = node->between;
    cut->files_.push_back(std::move(file));
  }
  cut->names_ = synced_;
  cut->changes_ = changes_;
  cut->begun = witness_.begun();
  cuts_.push_back(std::move(cut));
}

size_t PowerCutFileSystem::Add(const std::string& path, bool directory) {
  auto node = std::make_unique<Node>();
  node->directory = directory;
  if (!directory) {
    node->fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (node->fd < 0) Die(path);
    node->synced = node->last = Contents(*node);
  }
  nodes_.push_back(std::move(node));
  return live_[path] = nodes_.size() - 1;
}

std::string PowerCutFileSystem::Contents(const Node& node) {
  struct stat info;
  if (node.directory || fstat(node.fd, &info) != 0) return {};
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t got = pread(node.fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (got <= 0) break;
    at += static_cast<size_t>(got);
  }
  return bytes;
}

// What write-back can bring to the disk.
std::string PowerCutFileSystem::Writable(const Node& node) {
  std::string bytes = Contents(node);
  for (const auto& [page, held] : node.left_clean)
    if (page * kPage < bytes.size() && PageOf(bytes, page) == held)
      bytes.replace(page * kPage, kPage, PageOf(node.synced, page), 0, std::min(kPage, bytes.size() - page * kPage));
  return bytes;
}

void PowerCutFileSystem::Remember(Node& node) {
  std::string now = Contents(node);
  for (size_t page = 0; page * kPage < now.size(); page++) {
    if (now.compare(page * kPage, kPage, page * kPage < node.last.size() ? node.last : std::string(),
                    std::min(page * kPage, node.last.size()), kPage) == 0)
      continue;
    std::vector<std::string>& held = node.between[page];
    if (held.size() == kMaxBetween) held.erase(held.begin());
    held.push_back(PageOf(now, page));
  }
  node.last = std::move(now);
}

void PowerCutFileSystem::SyncNode(size_t file) {
  Node& node = *nodes_[file];
  if (node.directory) return;
  node.synced = Writable(node);
  node.last = Contents(node);
  node.between.clear();
  std::erase_if(changes_,
                [&](const Change& change) { return change.kind == Change::Kind::kLength && change.file == file; });
}

Status PowerCutFileSystem::Open(const std::string& path, OpenMode mode, int* fd) {
  std::lock_guard lock(mutex_);
  const bool may_create = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
  if (may_create) BeforeChange();
  MILLRACE_RETURN_IF_ERROR(inner_->Open(path, mode, fd));
  if (may_create && !live_.contains(path)) changes_.push_back({Change::Kind::kCreate, path, {}, Add(path, false), 0});
  if (const auto found = live_.find(path); found != live_.end()) open_[*fd] = found->second;
  return Status::Ok();
}

void PowerCutFileSystem::Close(int fd) {
  std::lock_guard lock(mutex_);
  open_.erase(fd);
  inner_->Close(fd);
}

Status PowerCutFileSystem::SetLength(int fd, int64_t bytes) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  MILLRACE_RETURN_IF_ERROR(inner_->SetLength(fd, bytes));
  changes_.push_back({Change::Kind::kLength, {}, {}, open_.at(fd), static_cast<size_t>(bytes)});
  return Status::Ok();
}

Status PowerCutFileSystem::Map(int fd, size_t bytes, bool writable, uint8_t** base) {
  std::lock_guard lock(mutex_);
  nodes_[open_.at(fd)]->mapped |= writable;
  return inner_->Map(fd, bytes, writable, base);
}

Status PowerCutFileSystem::Write(int fd, const void* data, size_t bytes, int64_t offset) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  MILLRACE_RETURN_IF_ERROR(inner_->Write(fd, data, bytes, offset));
  Node& node = *nodes_[open_.at(fd)];
  const auto end = static_cast<size_t>(offset) + bytes;
  for (size_t page = static_cast<size_t>(offset) / kPage; page * kPage < end; page++) node.left_clean.erase(page);
  Remember(node);
  return Status::Ok();
}

Status PowerCutFileSystem::SyncData(int fd) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  Node& node = *nodes_[open_.at(fd)];
  if (node.mapped && fail_next_sync_.exchange(false)) {
    const std::string now = Contents(node);
    for (size_t page = 0; page * kPage < now.size(); page++)
      if (PageOf(now, page) != PageOf(node.synced, page)) node.left_clean[page] = PageOf(now, page);
    return Status::System("fdatasync", {}, EIO);
  }
  if (lie_ != Lie::kSyncData) SyncNode(open_.at(fd));
  return Status::Ok();
}

Status PowerCutFileSystem::SyncFile(int fd) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  SyncNode(open_.at(fd));
  return Status::Ok();
}

Status PowerCutFileSystem::SyncFileSystem(int) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  for (size_t file = 0; file < nodes_.size(); file++) SyncNode(file);
  synced_ = live_;
  changes_.clear();
  return Status::Ok();
}

Status PowerCutFileSystem::SyncDirectory(const std::string& path) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  if (lie_ == Lie::kSyncDirectory) return Status::Ok();
  const auto here = [&](const std::string& name) { return !name.empty() && ParentOf(name) == path; };
  std::vector<bool> covered(changes_.size());
  for (size_t i = changes_.size(); i-- > 0;) {
    const Change& change = changes_[i];
    if (change.kind == Change::Kind::kLength) continue;
    covered[i] = covered[i] || here(change.path) || here(change.to);
    for (size_t j = 0; covered[i] && j < i; j++)
      if (change.Touches(changes_[j]) && !(here(change.to) && !here(change.path) && changes_[j].path == change.path))
        covered[j] = true;
  }
  std::vector<Change> left;
  for (size_t i = 0; i < changes_.size(); i++) {
    Change& change = changes_[i];
    if (!covered[i]) {
      left.push_back(std::move(change));
      continue;
    }
    if (change.kind == Change::Kind::kCreate) synced_[change.path] = change.file;
    if (change.kind == Change::Kind::kUnlink) synced_.erase(change.path);
    if (change.kind == Change::Kind::kRename) {
      synced_[change.to] = change.file;
      if (here(change.to) && !here(change.path)) {
        // The folder that it came from may still have it, too.
        left.push_back({Change::Kind::kUnlink, change.path, {}, change.file, 0});
      } else {
        synced_.erase(change.path);
      }
    }
  }
  changes_ = std::move(left);
  return Status::Ok();
}

Status PowerCutFileSystem::Rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  MILLRACE_RETURN_IF_ERROR(inner_->Rename(from, to));
  const size_t file = live_.at(from);
  live_.erase(from);
  live_[to] = file;
  changes_.push_back({Change::Kind::kRename, from, to, file, 0});
  return Status::Ok();
}

Status PowerCutFileSystem::Unlink(const std::string& path) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  MILLRACE_RETURN_IF_ERROR(inner_->Unlink(path));
  if (live_.erase(path) > 0) changes_.push_back({Change::Kind::kUnlink, path, {}, 0, 0});
  return Status::Ok();
}

Status PowerCutFileSystem::MakeDirectory(const std::string& path) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  MILLRACE_RETURN_IF_ERROR(inner_->MakeDirectory(path));
  if (!live_.contains(path)) changes_.push_back({Change::Kind::kCreate, path, {}, Add(path, true), 0});
  return Status::Ok();
}

Status PowerCutFileSystem::RemoveDirectory(const std::string& path) {
  std::lock_guard lock(mutex_);
  BeforeChange();
  MILLRACE_RETURN_IF_ERROR(inner_->RemoveDirectory(path));
  if (live_.erase(path) > 0) changes_.push_back({Change::Kind::kUnlink, path, {}, 0, 0});
  return Status::Ok();
}

}  // namespace millrace::test
