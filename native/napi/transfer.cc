// Transfer: heads and ranges of the log to sockets and other descriptors.
#include <cerrno>

#include "../core/platform.h"
#include "../core/sender.h"
#include "exports.h"

namespace millrace::js {
namespace {

// An environment's sender, with the callback that hears of its progress.
class Transfers {
 public:
  explicit Transfers(napi_env env)
      : env_(env), sender_([this] { napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking); }) {}

  bool Begin(napi_value on_progress) {
    if (napi_create_threadsafe_function(env_, on_progress, nullptr, js::String(env_, "millrace.transfers"), 0, 1,
                                        nullptr, nullptr, this, Call, &wake_) != napi_ok)
      return false;
    napi_unref_threadsafe_function(env_, wake_);
    napi_add_env_cleanup_hook(
        env_,
        [](void* data) {
          auto* transfers = static_cast<Transfers*>(data);
          transfers->sender_.Stop();
          napi_release_threadsafe_function(transfers->wake_, napi_tsfn_abort);
        },
        this);
    return true;
  }
  Sender& sender() { return sender_; }
  void Hold(bool hold) {
    if (hold) {
      napi_ref_threadsafe_function(env_, wake_);
    } else {
      napi_unref_threadsafe_function(env_, wake_);
    }
  }

 private:
  static void Call(napi_env env, napi_value callback, void* context, void*) {
    if (env == nullptr || callback == nullptr) return;  // the environment is going
    for (const Sender::Progress& progress : static_cast<Transfers*>(context)->sender_.TakeProgress()) {
      napi_value arguments[] = {js::Number(env, static_cast<double>(progress.target)),
                                js::Number(env, static_cast<double>(progress.items)),
                                progress.status.ok() ? Undefined(env) : MakeError(env, progress.status)};
      napi_call_function(env, Undefined(env), callback, 3, arguments, nullptr);
    }
  }

  const napi_env env_;
  napi_threadsafe_function wake_ = nullptr;
  Sender sender_;
};

Transfers* TransfersOf(napi_env env) { return static_cast<Transfers*>(GetEnvironment(env)->transfers.get()); }

// beginTransfers(onProgress): once an environment, before the others. onProgress(target, items, error?): so many more
// items of a target are with the kernel; after an error the rest will never be.
napi_value BeginTransfers(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (!arguments.Is(0, napi_function) || TransfersOf(env) != nullptr)
    return ThrowArgument(env, "beginTransfers takes a function, once");
  auto transfers = std::make_shared<Transfers>(env);
  if (transfers->Begin(arguments.at(0))) GetEnvironment(env)->transfers = std::move(transfers);
  return Undefined(env);
}

// openTarget(fd, stallMs) → a number. The descriptor is the caller's still: the target has a duplicate.
napi_value OpenTarget(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Transfers* const transfers = TransfersOf(env);
  int64_t fd = -1, stall_ms = 0;
  if (transfers == nullptr || !arguments.Integer(0, &fd) || !arguments.Integer(1, &stall_ms))
    return ThrowArgument(env, "openTarget takes a descriptor and a time");
  const int own = platform::Duplicate(static_cast<int>(fd));
  if (own < 0) return Throw(env, Status::System("dup", {}, errno));
  uint64_t target = 0;
  const Status status = transfers->sender().Open(own, stall_ms, &target);
  return status.ok() ? js::Number(env, static_cast<double>(target)) : Throw(env, status);
}

bool ReadRanges(const Arguments& arguments, size_t i, std::vector<LogRange>* ranges) {
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (arguments.Is(i, napi_undefined)) return true;
  if (!arguments.Bytes(i, &bytes, &length) || length % (2 * sizeof(double)) != 0) return false;
  const auto* numbers = reinterpret_cast<const double*>(bytes);
  ranges->reserve(length / (2 * sizeof(double)));
  constexpr double kMost = 9007199254740991;
  for (size_t n = 0; n < length / sizeof(double); n += 2) {
    const double from = numbers[n], size = numbers[n + 1];
    if (!(from >= 0 && from <= kMost && size >= 0 && size <= kMost)) return false;
    ranges->push_back({static_cast<int64_t>(from), static_cast<int64_t>(from + size)});
  }
  return true;
}

// addTransfer(target, store | undefined, head | undefined, ranges | undefined, way, cachedOnly) → false: it would have
// to come from disk, and was not added; true: it leaves with the next sendTransfers.
napi_value AddTransfer(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Transfers* const transfers = TransfersOf(env);
  int64_t target = 0, way = 0;
  bool cached_only = false;
  TransferItem item;
  std::vector<LogRange> ranges;
  uint8_t* head = nullptr;
  size_t head_bytes = 0;
  if (transfers == nullptr || !arguments.Integer(0, &target) || !ReadRanges(arguments, 3, &ranges) ||
      (!arguments.Is(2, napi_undefined) && !arguments.Bytes(2, &head, &head_bytes)) || !arguments.Integer(4, &way) ||
      way < 0 || way > 2 || !arguments.Boolean(5, &cached_only))
    return ThrowArgument(env, "addTransfer takes a target, a store, a head, ranges, a way and whether to wait");
  if (!ranges.empty()) {
    StoreHandle* handle = OpenHandle(env, arguments.at(1));
    if (handle == nullptr) return nullptr;
    bool cached = true;
    const Status status = handle->store().LocateRanges(ranges, &item, &cached);
    if (!status.ok()) return Throw(env, status);
    if (cached_only && !cached) return js::Boolean(env, false);
    item.keep = handle->shared();
  }
  item.head.assign(head, head + head_bytes);
  item.way = static_cast<TransferWay>(way);
  const Status status = transfers->sender().Add(static_cast<uint64_t>(target), std::move(item));
  return status.ok() ? js::Boolean(env, true) : Throw(env, status);
}

// sendTransfers(target) → whether all that was added is with the kernel; else progress will be told of it.
napi_value SendTransfers(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Transfers* const transfers = TransfersOf(env);
  int64_t target = 0;
  if (transfers == nullptr || !arguments.Integer(0, &target)) return ThrowArgument(env, "sendTransfers takes a target");
  bool out = false;
  const Status status = transfers->sender().Send(static_cast<uint64_t>(target), &out);
  return status.ok() ? js::Boolean(env, out) : Throw(env, status);
}

// readIn(store, ranges) → Promise: they are in the page cache
napi_value ReadIn(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  auto ranges = std::make_shared<std::vector<LogRange>>();
  if (!ReadRanges(arguments, 1, ranges.get())) return ThrowArgument(env, "readIn takes a store and ranges");
  return RunOnPool(
      env, handle->shared(),
      [ranges](PoolWork& work) {
        TransferItem item;
        bool cached = false;
        work.status = work.store->LocateRanges(*ranges, &item, &cached);
        for (const TransferRange& range : item.ranges) {
          if (!work.status.ok()) return;
          work.status = range.segment->ReadIn(range.file_offset, range.bytes);
        }
      },
      [](napi_env e, PoolWork&) { return Undefined(e); });
}

// closeTarget(target): what is queued is forgotten
napi_value CloseTarget(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Transfers* const transfers = TransfersOf(env);
  int64_t target = 0;
  if (transfers == nullptr || !arguments.Integer(0, &target)) return ThrowArgument(env, "no such target");
  transfers->sender().Close(static_cast<uint64_t>(target));
  return Undefined(env);
}

// holdTransfers(whether): waiting for progress keeps the process alive
napi_value HoldTransfers(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Transfers* const transfers = TransfersOf(env);
  bool hold = false;
  if (transfers == nullptr || !arguments.Boolean(0, &hold)) return ThrowArgument(env, "holdTransfers takes a boolean");
  transfers->Hold(hold);
  return Undefined(env);
}

}  // namespace

void ExportTransfer(napi_env env, napi_value exports) {
  Export(env, exports, "beginTransfers", BeginTransfers);
  Export(env, exports, "openTarget", OpenTarget);
  Export(env, exports, "addTransfer", AddTransfer);
  Export(env, exports, "sendTransfers", SendTransfers);
  Export(env, exports, "readIn", ReadIn);
  Export(env, exports, "closeTarget", CloseTarget);
  Export(env, exports, "holdTransfers", HoldTransfers);
}

}  // namespace millrace::js
