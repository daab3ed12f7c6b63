#include "data_pages.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace millrace {

namespace {
constexpr int64_t kPageBytes = 4096;
constexpr int64_t kReadBytes = 64 << 10;
}  // namespace

Status ForEachDataPage(
    FileSystem* files, int fd, int64_t from, int64_t to,
    const std::function<Status(int64_t file_offset, const uint8_t* bytes, size_t length, bool* more)>& visit) {
  static const uint8_t zeros[kPageBytes] = {};
  // All extents first: what is read of one may be read ahead into the hole behind it, which then counts as data.
  std::vector<std::pair<int64_t, int64_t>> extents;
  for (int64_t at = from; at < to;) {
    int64_t begin = at, end = to;
    MILLRACE_RETURN_IF_ERROR(files->NextData(fd, at, &begin, &end));
    if (begin < to) extents.emplace_back(begin, std::min(end, to));
    at = end;
  }
  std::vector<uint8_t> piece(kReadBytes);
  bool more = true;
  for (auto [at, end] : extents) {
    while (more && at < end) {
      const int64_t wanted = std::min(kReadBytes - at % kPageBytes, end - at);
      size_t got = 0;
      MILLRACE_RETURN_IF_ERROR(files->Read(fd, piece.data(), static_cast<size_t>(wanted), at, &got));
      if (got == 0) break;
      for (size_t done = 0; more && done < got;) {
        const size_t length = std::min(static_cast<size_t>(kPageBytes - at % kPageBytes), got - done);
        const uint8_t* const page = piece.data() + done;
        if (memcmp(page, zeros, length) != 0) MILLRACE_RETURN_IF_ERROR(visit(at, page, length, &more));
        at += static_cast<int64_t>(length);
        done += length;
      }
    }
  }
  return Status::Ok();
}

}  // namespace millrace
