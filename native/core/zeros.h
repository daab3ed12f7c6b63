// Zeros, written to a file.
#pragma once

#include "file_system.h"

namespace millrace {

// Writes zeros to [from, to) of a file, in as few pieces as large pages allow: one for each 2 MiB, aligned. What is
// written at once becomes few pages in memory, large ones where the file system has them.
Status WriteZeros(FileSystem* files, int fd, int64_t from, int64_t to);

}  // namespace millrace
