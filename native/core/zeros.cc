#include "zeros.h"

#include <algorithm>

#include "platform.h"

namespace millrace {

Status WriteZeros(FileSystem* files, int fd, int64_t from, int64_t to) {
  using platform::kLargePageBytes;
  static uint8_t zeros[kLargePageBytes];  // never written: the kernel's one page of zeros, over and over
  while (from < to) {
    const int64_t length = std::min(to, (from / kLargePageBytes + 1) * kLargePageBytes) - from;
    MILLRACE_RETURN_IF_ERROR(files->Write(fd, zeros, static_cast<size_t>(length), from));
    from += length;
  }
  return Status::Ok();
}

}  // namespace millrace
