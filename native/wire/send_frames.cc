#include "send_frames.h"

#include <algorithm>
#include <cstring>

#include "../core/bytes.h"

namespace millrace::wire {

namespace {

// So many frames are one append, and so many messages one batch: what is more comes with the next.
constexpr size_t kMostFrames = 1024, kMostInBatch = 1000;
constexpr size_t kBatchHeadBytes = 20;
constexpr int32_t kOddBits = kSysFlagTransactionMask | kSysFlagBornHostV6 | kSysFlagStoreHostV6;

void PutHex(std::string* out, uint64_t number, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out->push_back("0123456789ABCDEF"[number >> shift & 15]);
}

std::string HostHex(const Host& host) {
  std::string hex;
  for (int i = 0; i < host.address_bytes; i++) PutHex(&hex, host.address[i], 2);
  PutHex(&hex, static_cast<uint32_t>(host.port), 8);
  return hex;
}

}  // namespace

SendFrames::SendFrames(Store* store, SendFramesOptions options)
    : store_(store),
      options_(std::move(options)),
      after_queue_(R"(","TRACE_ON":")" + std::string(options_.trace_on ? "true" : "false") + R"(","MSG_REGION":)" +
                   options_.region_json + R"(,"msgId":")"),
      host_hex_(HostHex(store->options().store_host)) {}

void SendFrames::SetTopic(std::string_view topic, int32_t number, int32_t queues) {
  if (queues <= 0) {
    const auto found = topics_.find(topic);
    if (found != topics_.end()) topics_.erase(found);
    return;
  }
  Topic& known = topics_[std::string(topic)];
  known.number = number;
  known.queues.resize(static_cast<size_t>(queues), nullptr);
}

void SendFrames::Await(int32_t topic, int32_t queue_id) {
  const auto number = static_cast<size_t>(topic), queue = static_cast<size_t>(queue_id);
  if (awaited_.size() <= number) awaited_.resize(number + 1);
  if (awaited_[number].size() <= queue) awaited_[number].resize(queue + 1);
  awaited_[number][queue] = true;
}

bool SendFrames::TakeAwaited(const Arrival& arrival) {
  const auto number = static_cast<size_t>(arrival.topic), queue = static_cast<size_t>(arrival.queue_id);
  if (number >= awaited_.size() || queue >= awaited_[number].size() || !awaited_[number][queue]) return false;
  awaited_[number][queue] = false;
  return true;
}

void SendFrames::Taken::Clear() {
  bytes = 0;
  frames = pulls = log_end = 0;
  answers.clear();
  refused.clear();
  arrivals.clear();
  cut_off = false;
}

void SendFrames::Take(std::string_view bytes, const Host& born_host, Taken* taken) {
  // Of what is appended at once: unescaped, a property string is no longer; then comes the cluster.
  const size_t room = bytes.size() + (kMostFrames + kMostInBatch) * (options_.cluster.size() + 16);
  if (room > scratch_bytes_) {
    scratch_ = std::make_unique_for_overwrite<char[]>(room);
    scratch_bytes_ = room;
  }
  scratch_used_ = 0;
  for (size_t frames = 0; frames < kMostFrames; frames++) {
    SendRequest request;
    const FrameKind kind = ReadSendRequest(bytes.substr(taken->bytes), &request);
    taken->cut_off = kind == FrameKind::kCutOff;
    if (kind != FrameKind::kPlain) break;
    // A batch is an append of its own.
    if (request.batch) Commit(taken, false);
    if (!Plan(request, taken->bytes, born_host)) break;
    taken->bytes += request.frame_bytes;
    if (request.batch) Commit(taken, true);
  }
  Commit(taken, false);
}

// False for what is no plain send after all; then nothing is planned.
bool SendFrames::Plan(const SendRequest& request, size_t at, const Host& born_host) {
  const auto found = topics_.find(request.topic);
  if (found == topics_.end() || request.queue_id < 0 || (request.sys_flag & kOddBits) != 0 ||
      static_cast<int64_t>(request.body.size()) > options_.max_body_bytes)
    return false;
  Topic& topic = found->second;
  if (static_cast<size_t>(request.queue_id) >= topic.queues.size()) return false;
  ConsumeQueue*& queue = topic.queues[static_cast<size_t>(request.queue_id)];
  if (queue == nullptr && !store_->Queue(request.topic, request.queue_id, &queue).ok()) return false;
  MessageFields fields;
  fields.topic = queue->topic();
  fields.queue_id = request.queue_id;
  fields.flag = request.flag;
  fields.sys_flag = request.sys_flag;
  fields.reconsume_times = request.reconsume_times;
  fields.born_timestamp = request.born_timestamp;
  fields.born_host = &born_host;
  fields.store_host = &store_->options().store_host;
  const size_t first = fields_.size();
  if (request.batch) {
    if (!PlanBatch(request, fields)) {
      fields_.resize(first);
      return false;
    }
  } else {
    fields.body = request.body;
    fields.properties = Properties(request.properties, true, false);
    if (fields.properties.data() == nullptr) return false;
    fields_.push_back(fields);
  }
  queues_.resize(fields_.size(), queue);
  pending_.push_back({request, at, first, fields_.size() - first, {topic.number, request.queue_id}});
  return true;
}

// The layout of a batch: src/protocol/bodies/batch.ts.
bool SendFrames::PlanBatch(const SendRequest& request, const MessageFields& common) {
  // Of the batch's own properties only WAIT can be there; what waits for nothing is not plain.
  if (Properties(request.properties, true, false).data() == nullptr) return false;
  const std::string_view body = request.body;
  const auto* const data = reinterpret_cast<const uint8_t*>(body.data());
  size_t count = 0;
  for (size_t at = 0; at < body.size(); count++) {
    if (count == kMostInBatch || body.size() - at < kBatchHeadBytes + 2) return false;
    const int32_t bytes = GetI32(data + at + 16);
    if (bytes < 0 || body.size() - at - kBatchHeadBytes - 2 < static_cast<size_t>(bytes)) return false;
    const size_t properties_at = at + kBatchHeadBytes + static_cast<size_t>(bytes);
    const size_t properties_bytes = Get16(data + properties_at);
    if (body.size() - properties_at - 2 < properties_bytes) return false;
    MessageFields fields = common;
    fields.flag = GetI32(data + at + 12);
    fields.body = body.substr(at + kBatchHeadBytes, static_cast<size_t>(bytes));
    fields.properties = Properties(body.substr(properties_at + 2, properties_bytes), false, true);
    if (fields.properties.data() == nullptr) return false;
    fields_.push_back(fields);
    at = properties_at + 2 + properties_bytes;
  }
  return count > 0;
}

// As they are stored: without WAIT, with the cluster. Null for those with which more must be done: delays,
// transactions, producers that do not wait, and what is malformed.
std::string_view SendFrames::Properties(std::string_view given, bool escaped, bool keep_wait) {
  char* const out = scratch_.get() + scratch_used_;
  char* to = out;
  if (escaped) {
    const ptrdiff_t bytes = Unescape(given, to);
    if (bytes < 0) return {};
    given = {out, static_cast<size_t>(bytes)};
  }
  for (size_t at = 0; at < given.size();) {
    const size_t end = std::min(given.find(kPropertyEnd, at), given.size());
    const std::string_view piece = given.substr(at, end - at);
    at = end + 1;
    const size_t split = piece.find(kNameEnd);
    if (split == std::string_view::npos || split == 0 || split + 1 == piece.size()) continue;  // as RocketMQ reads them
    const std::string_view name = piece.substr(0, split);
    if (name == "WAIT" && piece.substr(split + 1) == "false") return {};
    if (name == "DELAY" || name == "TRAN_MSG") return {};
    if (name == "CLUSTER" || (name == "WAIT" && !keep_wait)) continue;
    if (to > out) *to++ = kPropertyEnd;
    memmove(to, piece.data(), piece.size());  // it never overtakes what it reads
    to += piece.size();
  }
  if (to > out) *to++ = kPropertyEnd;
  constexpr std::string_view kCluster = "CLUSTER\x01";
  memcpy(to, kCluster.data(), kCluster.size());
  to += kCluster.size();
  memcpy(to, options_.cluster.data(), options_.cluster.size());
  to += options_.cluster.size();
  scratch_used_ += static_cast<size_t>(to - out);
  return {out, static_cast<size_t>(to - out)};
}

void SendFrames::Commit(Taken* taken, bool together) {
  if (pending_.empty()) return;
  outcomes_.assign(fields_.size(), {});
  AppendMode mode;
  mode.all_or_nothing = mode.together = together;
  const Status status =
      store_->Append(&buffer_, fields_.data(), queues_.data(), fields_.size(), mode, outcomes_.data());
  for (const Pending& pending : pending_) {
    const AppendOutcome& last = outcomes_[pending.first + pending.count - 1];
    if (!status.ok() || last.code != Code::kOk) {
      taken->refused.push_back({pending.at, pending.request.frame_bytes});
      continue;
    }
    taken->frames++;
    taken->log_end = last.log_offset + last.size;
    if (TakeAwaited(pending.arrival)) taken->arrivals.push_back(pending.arrival);
    if (!pending.request.oneway) Answer(pending, &taken->answers);
  }
  if (taken->log_end > 0 && store_->flusher().synchronous()) store_->flusher().Request(taken->log_end);
  pending_.clear();
  fields_.clear();
  queues_.clear();
  scratch_used_ = 0;  // what was appended has been copied
}

void SendFrames::Answer(const Pending& pending, std::string* out) const {
  const size_t from = out->size();
  out->append(kFrameHeadBytes, 0);
  out->append(R"({"code":0,"extFields":{"queueId":")");
  PutNumber(out, pending.request.queue_id);
  out->append(after_queue_);
  for (size_t i = 0; i < pending.count; i++) {
    if (i > 0) out->push_back(',');
    out->append(host_hex_);
    PutHex(out, static_cast<uint64_t>(outcomes_[pending.first + i].log_offset), 16);
  }
  out->append(R"(","queueOffset":")");
  PutNumber(out, outcomes_[pending.first].queue_offset);
  out->append(R"("},"flag":1,"language":"JAVA","opaque":)");
  PutNumber(out, pending.request.opaque);
  out->append(R"(,"serializeTypeCurrentRPC":"JSON","version":)");
  PutNumber(out, options_.version);
  out->push_back('}');
  PutFrameHead(out, from, 0);
}

}  // namespace millrace::wire
