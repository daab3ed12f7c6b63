// The handler of unreadable pages among other handlers. It is installed once a process, so each case is a process of
// its own: this program again, with one test, and a word in the environment that says which part it plays.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/file_system.h"
#include "../core/mapping_guard.h"
#include "check.h"
#include "scratch.h"

extern char** environ;

namespace millrace::test {
namespace {

constexpr const char* kPart = "MILLRACE_GUARD_PART";
constexpr int kHandledElsewhere = 42;
const auto kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));

// A mapping whose second page has no file behind it.
volatile uint8_t* ShortMapping(const std::string& path) {
  int fd = -1;
  uint8_t* base = nullptr;
  FileSystem& files = *PosixFileSystem();
  if (!files.Open(path, OpenMode::kCreate, &fd).ok() || !files.SetLength(fd, static_cast<int64_t>(2 * kPage)).ok() ||
      !files.Map(fd, 2 * kPage, false, &base).ok() || !files.SetLength(fd, static_cast<int64_t>(kPage)).ok())
    _exit(1);
  return base;
}

// Runs the named test of this program in that part: what it exits with, or less than 0 for the signal that ended it.
int RunPart(const char* test, const char* part) {
  setenv(kPart, part, 1);
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string(), name = test;
  char* emulator = getenv("MILLRACE_EMULATOR");  // what runs this program where the processor can't
  char* with_emulator[] = {emulator, self.data(), name.data(), nullptr};
  char** const arguments = emulator != nullptr ? with_emulator : with_emulator + 1;
  pid_t child = 0;
  int status = 0;
  CHECK_EQ(posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments, environ), 0);
  unsetenv(kPart);
  if (waitpid(child, &status, 0) != child) return 1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// One page of ours, one of somebody else's: the first is read as zeros and marked, the second is not ours to handle.
[[noreturn]] void TouchBoth() {
  Scratch scratch;
  volatile uint8_t* ours = ShortMapping(scratch / "ours");
  volatile uint8_t* others = ShortMapping(scratch / "others");
  MappingGuard guard;
  if (!guard.Add(const_cast<const uint8_t*>(ours), 2 * kPage) || ours[kPage + 1000] != 0 || !guard.damaged()) _exit(2);
  std::filesystem::remove_all(scratch / "");
  (void)others[kPage + 1000];
  _exit(3);
}

void Foreign(int) { _exit(kHandledElsewhere); }
void ForeignWithInfo(int, siginfo_t* info, void*) { _exit(info->si_addr != nullptr ? kHandledElsewhere : 4); }

}  // namespace

TEST(
    "a fault outside of millrace's mappings goes to the handler that was there before, and ends the process where none "
    "was") {
  constexpr const char* kTest = "goes to the handler that was there before";
  if (const char* part = getenv(kPart)) {
    struct sigaction action = {};
    if (std::string(part) == "plain") action.sa_handler = Foreign;
    if (std::string(part) == "info") action.sa_sigaction = ForeignWithInfo, action.sa_flags = SA_SIGINFO;
    if (std::string(part) != "none") sigaction(SIGBUS, &action, nullptr);
    alarm(20);  // a handler that drops the fault would meet it for ever
    TouchBoth();
  }
  CHECK_EQ(RunPart(kTest, "plain"), kHandledElsewhere);
  CHECK_EQ(RunPart(kTest, "info"), kHandledElsewhere);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  CHECK(RunPart(kTest, "none") != 0);  // the sanitizer's own handler was there before, and ends the process its way
#else
  CHECK_EQ(RunPart(kTest, "none"), -SIGBUS);
#endif
}

}  // namespace millrace::test
