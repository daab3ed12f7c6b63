// The outcome of a core operation: a code of the one table (src/errors.ts has the same names), and what was wrong with
// which value.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace millrace {

enum class Code : int {
  kOk = 0,
  kInvalidArgument,
  kInvalidSetting,
  kMessageIllegal,
  kPropertiesSizeExceeded,
  kStoreNotOpen,
  kStoreFailed,
  kStoreReadOnly,
  kStoreLocked,
  kNoStore,
  kDledgerStore,
  kDiskFull,
  kSegmentCreateFailed,
  kPagecacheBusy,
  kPageUnreadable,
  kCorruptLog,
  kCorruptQueue,
  kCorruptIndex,
  kCorruptCheckpoint,
  kForeignFile,
  kSegmentSizeMismatch,
  kIndexSizeUnknown,
  kUnsafePath,
  kSyncFailed,
  kIoError,
  kAppendGap,
  kHandleInvalid,
  kUnknownError,
  kCount,
};

// The table's name of a code, for instance "DISK_FULL"; a static string.
const char* CodeName(Code code);

struct [[nodiscard]] Status {
  Code code = Code::kOk;
  std::string message;   // what was wrong, with the value
  std::string path;      // the file, where there is one
  int64_t offset = -1;   // log offset or expected value, where there is one
  int error_number = 0;  // errno, where the system refused

  bool ok() const { return code == Code::kOk; }

  static Status Ok() { return {}; }
  static Status Error(Code code, std::string message, std::string path = {}, int64_t offset = -1) {
    return Status{code, std::move(message), std::move(path), offset, 0};
  }
  // A refused system call; a full disk or quota becomes kDiskFull, a loop of symbolic links kUnsafePath.
  static Status System(const char* call, const std::string& path, int error_number);
};

#define MILLRACE_RETURN_IF_ERROR(expression)   \
  do {                                         \
    ::millrace::Status status_ = (expression); \
    if (!status_.ok()) [[unlikely]]            \
      return status_;                          \
  } while (false)

}  // namespace millrace
