#include "status.h"

#include <cerrno>

#include "platform.h"

namespace millrace {

const char* CodeName(Code code) {
  static constexpr const char* kNames[] = {
      "OK",
      "INVALID_ARGUMENT",
      "INVALID_SETTING",
      "MESSAGE_ILLEGAL",
      "PROPERTIES_SIZE_EXCEEDED",
      "STORE_NOT_OPEN",
      "STORE_FAILED",
      "STORE_READ_ONLY",
      "STORE_LOCKED",
      "NO_STORE",
      "DLEDGER_STORE",
      "DISK_FULL",
      "SEGMENT_CREATE_FAILED",
      "PAGECACHE_BUSY",
      "PAGE_UNREADABLE",
      "CORRUPT_LOG",
      "CORRUPT_QUEUE",
      "CORRUPT_INDEX",
      "CORRUPT_CHECKPOINT",
      "FOREIGN_FILE",
      "SEGMENT_SIZE_MISMATCH",
      "INDEX_SIZE_UNKNOWN",
      "UNSAFE_PATH",
      "SYNC_FAILED",
      "IO_ERROR",
      "APPEND_GAP",
      "BACKUP_MISMATCH",
      "RANGE_GONE",
      "TRANSFER_FAILED",
      "HANDLE_INVALID",
      "UNKNOWN_ERROR",
  };
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == static_cast<size_t>(Code::kCount));
  const auto index = static_cast<size_t>(code);
  return index < static_cast<size_t>(Code::kCount) ? kNames[index] : "UNKNOWN_ERROR";
}

const Status::Detail& Status::detail() const {
  static const Detail none;
  return detail_ ? *detail_ : none;
}

Status& Status::At(const std::string& path) {
  if (ok() || !detail().path.empty()) return *this;
  Detail changed = detail();
  changed.path = path;
  detail_ = std::make_shared<const Detail>(std::move(changed));
  return *this;
}

void Status::AddToMessage(const std::string& more) {
  Detail changed = detail();
  changed.message += more;
  detail_ = std::make_shared<const Detail>(std::move(changed));
}

Status Status::Error(Code code, std::string message, std::string path, int64_t offset) {
  Status status;
  status.code = code;
  status.detail_ = std::make_shared<const Detail>(Detail{std::move(message), std::move(path), offset, 0});
  return status;
}

Status Status::System(const char* call, const std::string& path, int error_number) {
  Code code = Code::kIoError;
  if (error_number == ENOSPC || error_number == EDQUOT) code = Code::kDiskFull;
  if (error_number == ELOOP) code = Code::kUnsafePath;
  Status status;
  status.code = code;
  status.detail_ = std::make_shared<const Detail>(
      Detail{std::string(call) + " failed: " + platform::ErrorText(error_number), path, -1, error_number});
  return status;
}

}  // namespace millrace
