// The addon's exports by what they are about, and what these share.
#pragma once

#include <functional>
#include <memory>

#include "js.h"
#include "store_handle.h"

namespace millrace::js {

void ExportStatistics(napi_env env, napi_value exports);
void ExportStore(napi_env env, napi_value exports);          // open, attach, close, facts
void ExportAppend(napi_env env, napi_value exports);         // append, flush
void ExportRead(napi_env env, napi_value exports);           // pull, records, queues, index
void ExportPlainRequests(napi_env env, napi_value exports);  // of the remoting protocol
void ExportPlainSockets(napi_env env, napi_value exports);
void ExportTransfer(napi_env env, napi_value exports);  // ranges of the log to sockets
void ExportParts(napi_env env, napi_value exports);     // log, queue and index without a store
void ExportLayouts(napi_env env, napi_value exports);   // hashes and checksums

// Of the append block, and of a message in it (append.cc).
constexpr size_t kBlockHeadBytes = 16, kEntryHeadBytes = 56;
// What pull writes into its Float64Array of numbers.
enum PullNumber { kStatus, kNext, kMin, kMax, kSuggest, kCount, kBytes, kWouldBlock, kMismatches, kPullNumbers };

// The handle behind the first argument, where its environment has not let go of it; null and an exception otherwise.
StoreHandle* OpenHandle(napi_env env, napi_value value);

// The promise of work that runs on libuv's pool: `run` there, `finish` back here gives the value or sets the status.
struct PoolWork {
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  std::shared_ptr<Store> store;
  napi_ref keep = nullptr;  // a value that must live until the answer is there
  Status status;
  std::function<void(PoolWork&)> run;
  std::function<napi_value(napi_env, PoolWork&)> finish;
};

// `keep` is a value that lives until the answer is there.
napi_value RunOnPool(napi_env env, std::shared_ptr<Store> store, std::function<void(PoolWork&)> run,
                     std::function<napi_value(napi_env, PoolWork&)> finish, napi_value keep = nullptr);

}  // namespace millrace::js
