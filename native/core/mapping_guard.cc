#include "mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>

namespace millrace {
namespace {

// The handler reads this table without a lock: `begin` is published last when a slot is taken and cleared first when it
// is freed.
struct Slot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<std::atomic<bool>*> mark{nullptr};
};

constexpr int kSlots = 65536;
Slot* slots = nullptr;  // never freed: a fault may come during exit
std::atomic<int> used{0};
uintptr_t page_bytes = 4096;
struct sigaction previous;
std::mutex table_mutex;

void OnBusError(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  const int count = used.load(std::memory_order_acquire);
  for (int i = 0; i < count; i++) {
    const uintptr_t begin = slots[i].begin.load(std::memory_order_acquire);
    if (begin == 0 || address < begin || address >= slots[i].end.load(std::memory_order_acquire)) continue;
    // The mark first: another thread that copies zeros out of the new page must find it set.
    if (std::atomic<bool>* mark = slots[i].mark.load(std::memory_order_acquire))
      mark->store(true, std::memory_order_release);
    void* page = reinterpret_cast<void*>(address & ~(page_bytes - 1));
    if (mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
      break;
    return;
  }
  // Not ours: whoever was here before, and the default action (the process ends) where nobody was.
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    ::signal(SIGBUS, SIG_DFL);
    raise(SIGBUS);
  }
}

void Install() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    slots = new Slot[kSlots];
    struct sigaction action = {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
  });
}

// One alternate stack a thread, taken down when the thread ends.
struct AlternateStack {
  void* memory = nullptr;
  static constexpr size_t kBytes = 64 * 1024;
  AlternateStack() {
    stack_t current;
    if (sigaltstack(nullptr, &current) != 0 || (current.ss_flags & SS_DISABLE) == 0) return;
    memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      memory = nullptr;
      return;
    }
    stack_t stack = {};
    stack.ss_sp = memory;
    stack.ss_size = kBytes;
    if (sigaltstack(&stack, nullptr) == 0) return;
    munmap(memory, kBytes);
    memory = nullptr;
  }
  ~AlternateStack() {
    if (memory == nullptr) return;
    stack_t off = {};
    off.ss_flags = SS_DISABLE;
    sigaltstack(&off, nullptr);
    munmap(memory, kBytes);
  }
};

}  // namespace

bool MappingGuard::Add(const void* base, size_t bytes) {
  Install();
  std::lock_guard guard(table_mutex);
  int slot = 0;
  const int count = used.load(std::memory_order_relaxed);
  while (slot < count && slots[slot].begin.load(std::memory_order_relaxed) != 0) slot++;
  if (slot == kSlots) return false;
  const auto begin = reinterpret_cast<uintptr_t>(base);
  slots[slot].mark.store(&damaged_, std::memory_order_relaxed);
  slots[slot].end.store(begin + bytes, std::memory_order_relaxed);
  slots[slot].begin.store(begin, std::memory_order_release);
  if (slot == count) used.store(count + 1, std::memory_order_release);
  slot_ = slot;
  return true;
}

void MappingGuard::Remove() {
  if (slot_ < 0) return;
  std::lock_guard guard(table_mutex);
  slots[slot_].begin.store(0, std::memory_order_release);
  slots[slot_].mark.store(nullptr, std::memory_order_release);
  slot_ = -1;
}

// The fence keeps the caller's copy before the look at the mark. Without it arm64, or the compiler, may look first.
bool MappingGuard::damaged() const {
  std::atomic_thread_fence(std::memory_order_acquire);
  return damaged_.load(std::memory_order_relaxed);
}

void MappingGuard::PrepareThread() { thread_local AlternateStack stack; }

}  // namespace millrace
