// Keeps an I/O error under a mapping from killing the process. The kernel answers a page that it can't read (or a file
// that somebody shortened) with SIGBUS at the instruction that touched it. The handler, installed once a process and
// chained to whoever was there before, reacts only to addresses inside mappings registered here: it puts a zero page
// under the fault and sets the mapping's mark. Whoever copies out of a mapping checks the mark afterwards and throws
// the copy away.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace millrace {

class MappingGuard {
 public:
  MappingGuard() = default;
  ~MappingGuard() { Remove(); }
  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

  // False when the process-wide table (65,536 mappings) is full; the mapping is then unguarded and must not be used.
  [[nodiscard]] bool Add(const void* base, size_t bytes);
  void Remove();

  // True once a page of the mapping could not be read. Never cleared: the file behind it is in doubt. What was copied
  // before the call and finds false holds no page of the handler's.
  bool damaged() const;

  // Gives the calling thread an alternate signal stack where it has none, so that the handler runs even on a thread
  // that is short of stack. The stack is freed when the thread ends.
  static void PrepareThread();

 private:
  int slot_ = -1;
  std::atomic<bool> damaged_{false};
};

}  // namespace millrace
