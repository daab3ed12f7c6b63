// A FileSystem that hands every call to another one: what stands between overrides the calls that it is there for.
#pragma once

#include "file_system.h"

namespace millrace {

class ForwardingFileSystem : public FileSystem {
 public:
  explicit ForwardingFileSystem(FileSystem* inner) : inner_(inner) {}

  Status Open(const std::string& path, OpenMode mode, int* fd) override { return inner_->Open(path, mode, fd); }
  void Close(int fd) override { inner_->Close(fd); }
  Status SetLength(int fd, int64_t bytes) override { return inner_->SetLength(fd, bytes); }
  Status Reserve(int fd, int64_t offset, int64_t bytes) override { return inner_->Reserve(fd, offset, bytes); }
  Status Map(int fd, size_t bytes, bool writable, uint8_t** base) override {
    return inner_->Map(fd, bytes, writable, base);
  }
  void Unmap(uint8_t* base, size_t bytes) override { inner_->Unmap(base, bytes); }
  void ExpectRandom(uint8_t* base, size_t bytes) override { inner_->ExpectRandom(base, bytes); }
  void DropFromTable(uint8_t* address, size_t bytes) override { inner_->DropFromTable(address, bytes); }
  bool Populate(uint8_t* address, size_t bytes) override { return inner_->Populate(address, bytes); }
  Status Read(int fd, void* data, size_t bytes, int64_t offset, size_t* got) override {
    return inner_->Read(fd, data, bytes, offset, got);
  }
  Status ReadCached(int fd, void* data, size_t bytes, int64_t offset, ptrdiff_t* got) override {
    return inner_->ReadCached(fd, data, bytes, offset, got);
  }
  Status NextData(int fd, int64_t offset, int64_t* from, int64_t* to) override {
    return inner_->NextData(fd, offset, from, to);
  }
  int SendFile(int fd, int to, int64_t offset, int64_t bytes, int64_t* sent) override {
    return inner_->SendFile(fd, to, offset, bytes, sent);
  }
  Status Write(int fd, const void* data, size_t bytes, int64_t offset) override {
    return inner_->Write(fd, data, bytes, offset);
  }
  Status SyncData(int fd) override { return inner_->SyncData(fd); }
  Status SyncFile(int fd) override { return inner_->SyncFile(fd); }
  void StartRead(int fd, int64_t offset, int64_t bytes) override { inner_->StartRead(fd, offset, bytes); }
  void StartWriteBack(int fd, int64_t offset, int64_t bytes) override { inner_->StartWriteBack(fd, offset, bytes); }
  Status SyncFileSystem(int fd) override { return inner_->SyncFileSystem(fd); }
  Status SyncDirectory(const std::string& path) override { return inner_->SyncDirectory(path); }
  Status Rename(const std::string& from, const std::string& to) override { return inner_->Rename(from, to); }
  Status Unlink(const std::string& path) override { return inner_->Unlink(path); }
  Status MakeDirectory(const std::string& path) override { return inner_->MakeDirectory(path); }
  Status RemoveDirectory(const std::string& path) override { return inner_->RemoveDirectory(path); }
  Status List(const std::string& path, std::vector<DirectoryEntry>* entries) override {
    return inner_->List(path, entries);
  }
  Status Stat(const std::string& path, FileInfo* info, bool* exists) override {
    return inner_->Stat(path, info, exists);
  }
  Status AskDiskUse(const std::string& path, DiskUse* use) override { return inner_->AskDiskUse(path, use); }
  Status Lock(int fd, bool* taken, int64_t* holder) override { return inner_->Lock(fd, taken, holder); }
  void Unlock(int fd) override { inner_->Unlock(fd); }

 protected:
  FileSystem* const inner_;
};

}  // namespace millrace
