// The outcome of a core operation: a code of the one table (src/errors.ts has the same names), and what was wrong with
// which value.
#pragma once

#include <cstdint>
#include <memory>
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
  kBackupMismatch,
  kRangeGone,
  kTransferFailed,
  kHandleInvalid,
  kUnknownError,
  kCount,
};

// The table's name of a code, for instance "DISK_FULL"; a static string.
const char* CodeName(Code code);

// Two words, and free to make where all went well: several are made for each message.
class [[nodiscard]] Status {
 public:
  Code code = Code::kOk;

  bool ok() const { return code == Code::kOk; }
  const std::string& message() const { return detail().message; }  // what was wrong, with the value
  const std::string& path() const { return detail().path; }        // the file, where there is one
  int64_t offset() const { return detail().offset; }               // log offset or expected value, or -1
  int error_number() const { return detail().error_number; }       // errno, where the system refused, or 0
  // Names the file, where something went wrong and no file is named yet.
  Status& At(const std::string& path);
  void AddToMessage(const std::string& more);

  static Status Ok() { return {}; }
  static Status Error(Code code, std::string message, std::string path = {}, int64_t offset = -1);
  // A refused system call; a full disk or quota becomes kDiskFull, a loop of symbolic links kUnsafePath.
  static Status System(const char* call, const std::string& path, int error_number);

 private:
  struct Detail {
    std::string message, path;
    int64_t offset = -1;
    int error_number = 0;
  };
  const Detail& detail() const;

  std::shared_ptr<const Detail> detail_;
};

#define MILLRACE_RETURN_IF_ERROR(expression)   \
  do {                                         \
    ::millrace::Status status_ = (expression); \
    if (!status_.ok()) [[unlikely]]            \
      return status_;                          \
  } while (false)

}  // namespace millrace
