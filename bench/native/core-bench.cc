// core-bench NAME key=value…: native/core called from C++, without Node. What lies between these figures and those of
// the library is the binding.
//   append  dir= count= body= keys=0|1 batch=N flush=async|sync   N messages a call; with turns=N a line of standard
//           input starts each N-th of them (bench/turns.mjs)
//   pull    dir= count= body= how=ranges|copied                    32 a pull, from first to last and again
// Prints one JSON object.
#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "file_system.h"
#include "store.h"

using namespace millrace;

namespace {

constexpr int kQueues = 4, kBodies = 256;

std::vector<std::string_view> arguments;

std::string_view Option(std::string_view name, std::string_view fallback) {
  for (std::string_view argument : arguments) {
    if (argument.size() > name.size() && argument.starts_with(name) && argument[name.size()] == '=')
      return argument.substr(name.size() + 1);
  }
  return fallback;
}

double Number(std::string_view name, double fallback) {
  return std::strtod(std::string(Option(name, std::to_string(fallback))).c_str(), nullptr);
}

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "core-bench: %s: %s %s\n", CodeName(status.code), status.message().c_str(),
               status.path().c_str());
  std::exit(1);
}

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int64_t WallMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void PrintRate(double messages, double seconds, double cpu) {
  std::printf("{\"count\":%.0f,\"rate\":%.0f,\"cpuMicroseconds\":%.4f,\"seconds\":%.6f}\n", messages,
              messages / seconds, cpu * 1e6 / messages, seconds);
  std::fflush(stdout);
}

struct Bench {
  std::shared_ptr<Store> store;
  std::string bodies;
  size_t body_bytes = static_cast<size_t>(Number("body", 1024));
  bool keys = Number("keys", 0) != 0;
  ConsumeQueue* queues[kQueues];
  UnitWindows windows;
  Host host;

  Bench() {
    host.address_bytes = 4;
    std::memcpy(host.address, "\x7f\0\0\1", 4);
    host.port = 10911;
    uint64_t seed = 0x9E3779B97F4A7C15;
    bodies.resize(kBodies * body_bytes);
    for (char& c : bodies) c = static_cast<char>((seed = seed * 6364136223846793005 + 1442695040888963407) >> 56);

    StoreOptions options;
    options.root = Option("dir", "");
    options.index_enabled = keys;
    options.synchronous_flush = Option("flush", "async") == "sync";
    options.store_host = host;
    Check(Store::Open(PosixFileSystem(), options, &store));
    for (int i = 0; i < kQueues; i++) Check(store->Queue("bench", i, &queues[i]));
  }

  void Append(size_t from, size_t to, size_t batch) {
    std::vector<MessageFields> messages(batch);
    std::vector<ConsumeQueue*> to_queues(batch);
    std::vector<AppendOutcome> outcomes(batch);
    std::vector<char> texts(batch * 32);
    AppendBuffer buffer;
    for (size_t i = from; i < to; i += batch) {
      const size_t count = std::min(batch, to - i);
      for (size_t j = 0; j < count; j++) {
        const size_t number = i + j;
        MessageFields& fields = messages[j];
        fields = MessageFields{};
        fields.topic = "bench";
        fields.body = std::string_view(bodies).substr(number % kBodies * body_bytes, body_bytes);
        fields.tags = "tagA";
        if (keys) {
          char* text = texts.data() + j * 32;
          std::memcpy(text, "key", 3);
          fields.keys =
              std::string_view(text, static_cast<size_t>(std::to_chars(text + 3, text + 32, number).ptr - text));
        }
        fields.queue_id = static_cast<int32_t>(number % kQueues);
        fields.born_timestamp = WallMs();
        fields.born_host = fields.store_host = &host;
        to_queues[j] = queues[number % kQueues];
      }
      AppendMode mode;
      mode.all_or_nothing = batch > 1;
      Check(store->Append(&buffer, messages.data(), to_queues.data(), count, mode, outcomes.data()));
      for (size_t j = 0; j < count; j++) {
        if (outcomes[j].code != Code::kOk) Check(Status::Error(outcomes[j].code, "a message was refused"));
      }
      if (store->options().synchronous_flush) {
        bool done = false;
        Check(store->WaitFlushed(outcomes[count - 1].log_offset + outcomes[count - 1].size, &done));
        if (!done) Check(Status::Error(Code::kSyncFailed, "the flush timed out"));
      }
    }
  }

  void TimeAppend(size_t from, size_t count, size_t batch) {
    const double cpu = CpuSeconds(), started = Now();
    Append(from, from + count, batch);
    PrintRate(static_cast<double>(count), Now() - started, CpuSeconds() - cpu);
  }

  void RunAppend() {
    const size_t count = static_cast<size_t>(Number("count", 1e6)), batch = static_cast<size_t>(Number("batch", 1)),
                 turns = static_cast<size_t>(Number("turns", 0));
    if (turns == 0) {
      Append(0, count / 10, batch);
      TimeAppend(count / 10, count, batch);
    } else {
      char line[64];
      for (size_t i = 0; std::fgets(line, sizeof line, stdin) != nullptr; i++)
        TimeAppend(i * (count / turns), count / turns, batch);
    }
    Check(store->Close());
  }

  size_t Pull(bool copied, std::vector<uint8_t>* out) {
    size_t pulled = 0;
    for (ConsumeQueue* queue : queues) {
      PullRequest request;
      request.queue = queue;
      request.max_messages = 32;
      request.max_bytes = 1 << 20;
      request.copied = copied;
      request.windows = &windows;
      for (;;) {
        PullOutcome outcome;
        request.cached_only = true;
        Check(store->Pull(request, &outcome));
        if (outcome.would_block) {
          request.cached_only = false;
          outcome = {};
          Check(store->Pull(request, &outcome));
        }
        if (outcome.status != PullStatus::kFound) break;
        if (copied) {
          if (static_cast<int64_t>(out->size()) < outcome.bytes) out->resize(static_cast<size_t>(outcome.bytes));
          Check(store->CopyPulled(request, &outcome, out->data()));
        }
        pulled += outcome.ranges.size();
        request.offset = outcome.next_offset;
      }
    }
    return pulled;
  }

  void RunPull() {
    const bool copied = Option("how", "ranges") == "copied";
    const size_t count = static_cast<size_t>(Number("count", 1e6));
    std::vector<uint8_t> out;
    Append(0, count, 1000);
    Pull(copied, &out);
    const double cpu = CpuSeconds(), started = Now();
    size_t pulled = 0;
    while (Now() - started < 1) pulled += Pull(copied, &out);
    PrintRate(static_cast<double>(pulled), Now() - started, CpuSeconds() - cpu);
    if (pulled % count != 0)
      Check(Status::Error(Code::kUnknownError, "pulled " + std::to_string(pulled) + " of " + std::to_string(count)));
    Check(store->Close());
  }
};

}  // namespace

int main(int argc, char** argv) {
  for (int i = 2; i < argc; i++) arguments.push_back(argv[i]);
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (Option("dir", "").empty() || (name != "append" && name != "pull")) {
    std::fprintf(stderr, "usage: core-bench append|pull dir=… key=value…\n");
    return 2;
  }
  Bench bench;
  if (name == "append")
    bench.RunAppend();
  else
    bench.RunPull();
  return 0;
}
