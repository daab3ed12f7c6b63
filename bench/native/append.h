// What `limit append` has written, for the programs that go on from there.
#pragma once

#include "dispatch.h"

static const size_t SEGMENT = 1 << 30;  // of the log; its file's name is the position it begins at

struct appended {
  size_t count, end;  // messages; of the log
  double seconds, cpu;
};

// Writes `count` records, their units and, with `keys`, index entries into `dir`, as the arguments say.
struct appended append_records(void);
