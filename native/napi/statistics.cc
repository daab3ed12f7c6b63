// What an open store has counted.
#include "exports.h"

namespace millrace::js {
namespace {

// Each bucket that holds something: where it ends, and how much it holds.
napi_value Buckets(napi_env env, const Histogram& histogram, double nanoseconds_each) {
  std::vector<int64_t> buckets;
  for (int i = 0; i < Histogram::kBuckets; i++) {
    const int64_t count = histogram.count(i);
    if (count == 0) continue;
    buckets.push_back(static_cast<int64_t>(static_cast<double>(Histogram::EndOf(i)) * nanoseconds_each));
    buckets.push_back(count);
  }
  return Numbers(env, buckets);
}

// statistics(store) → {numbers: [nanoseconds since open, messages appended, their bytes in the log, messages refused,
// sum and maximum of an append's nanoseconds, pulls, messages pulled, their bytes, pulls that went to the disk, units
// without their record, syncs, sum and maximum of their nanoseconds, whether one has failed, populated bytes, records
// copied, records written, pages that fault again, min offset, published, flushed, segments, queues, bytes of their
// tails, index files, whether the disk is full], appendLatency, syncLatency}
napi_value GetStatistics(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  Store& store = handle->store();
  const AppendCounters& appended = store.append_counters();
  const PullCounters::Sums pulled = store.pull_counters().sums();
  const Flusher::Counters flushed = store.flusher().counters();
  const double each = store.ticks().NanosecondsEach();
  const auto nanoseconds = [each](int64_t ticks) { return static_cast<int64_t>(static_cast<double>(ticks) * each); };
  const std::vector<int64_t> numbers = {
      store.ticks().NanosecondsSince(),
      appended.messages,
      appended.bytes,
      appended.refused,
      nanoseconds(appended.latency.sum()),
      nanoseconds(appended.latency.max()),
      pulled.pulls,
      pulled.messages,
      pulled.bytes,
      pulled.from_disk,
      pulled.mismatches,
      flushed.syncs,
      flushed.sync_nanoseconds,
      store.flusher().sync_latency().max(),
      store.flusher().failed() ? 1 : 0,
      store.log().keeper().populated_bytes(),
      store.log().copied_appends(),
      store.log().written_appends(),
      flushed.refaulted_pages,
      store.min_log_offset(),
      store.log().published(),
      store.read_only() ? store.log().published() : store.flusher().flushed(),
      static_cast<int64_t>(store.log().segments()->size()),
      static_cast<int64_t>(store.queues().count()),
      store.queues().tail_bytes(),
      static_cast<int64_t>(store.index().files().size()),
      store.disk_full() ? 1 : 0,
  };
  napi_value value = Object(env);
  Set(env, value, "numbers", Numbers(env, numbers));
  Set(env, value, "appendLatency", Buckets(env, appended.latency, each));
  Set(env, value, "syncLatency", Buckets(env, store.flusher().sync_latency(), 1));
  return value;
}

}  // namespace

void ExportStatistics(napi_env env, napi_value exports) { Export(env, exports, "statistics", GetStatistics); }

}  // namespace millrace::js
