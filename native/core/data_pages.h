// What of a file holds something else than zeros, found without reading its holes.
#pragma once

#include <functional>

#include "file_system.h"

namespace millrace {

// Calls `visit` for each page (4 KiB, by file offset) of [from, to) that holds something else than zeros, in order,
// with its bytes (the part of it that lies in the range). `more` = false ends the walk.
Status ForEachDataPage(
    FileSystem* files, int fd, int64_t from, int64_t to,
    const std::function<Status(int64_t file_offset, const uint8_t* bytes, size_t length, bool* more)>& visit);

}  // namespace millrace
