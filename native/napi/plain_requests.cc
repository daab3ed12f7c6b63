// Plain requests: frames of sends as they come from a socket are appended and answered in one crossing; which pulls are
// plain; sockets that are read for both.
#include "exports.h"
#include "plain_sockets.h"
#include "tag_list.h"

namespace millrace::js {
namespace {

using wire::PullFrames;
using wire::SendFrames;

// What `take` writes into the Float64Array of numbers; refused frames (place, bytes) and arrivals (topic, queue id)
// follow.
enum TakenNumber { kTakenBytes, kTakenFrames, kTakenLogEnd, kTakenRefused, kTakenArrivals, kTakenNumbers };
constexpr size_t kMostPairs = 1024;
// Of topics and queues whose arrivals are awaited: each has a bit.
constexpr int64_t kMostNumber = (1 << 24) - 1;

bool ReadHost(const uint8_t* bytes, size_t count, Host* host) {
  if (count != 8 && count != 20) return false;
  host->address_bytes = static_cast<uint8_t>(count - 4);
  memcpy(host->address, bytes, count - 4);
  host->port = GetI32(bytes + count - 4);
  return true;
}

// take(bytes, bornHost, numbers, fd) → the answers, or undefined where there are none. `fd` (-1: none) is the socket's
// that they belong to, with nothing queued, and what it has taken is not given back.
napi_value Take(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* const requests = static_cast<PlainRequests*>(arguments.data());
  uint8_t *bytes = nullptr, *born = nullptr, *out = nullptr;
  size_t count = 0, born_count = 0, out_bytes = 0;
  Host born_host;
  int64_t fd = -1;
  if (!arguments.Bytes(0, &bytes, &count) || !arguments.Bytes(1, &born, &born_count) ||
      !ReadHost(born, born_count, &born_host) || !arguments.Bytes(2, &out, &out_bytes) || !arguments.Integer(3, &fd) ||
      out_bytes < (kTakenNumbers + 4 * kMostPairs) * sizeof(double))
    return ThrowArgument(env, "take takes bytes, a host's 8 or 20 bytes, and numbers");
  SendFrames::Taken& taken = requests->taken;
  if (requests->handle->released()) {
    memset(out, 0, kTakenNumbers * sizeof(double));
    return nullptr;
  }
  taken.Clear();
  requests->sends.Take({reinterpret_cast<const char*>(bytes), count}, born_host, &taken);
  auto* number = reinterpret_cast<double*>(out);
  number[kTakenBytes] = static_cast<double>(taken.bytes);
  number[kTakenFrames] = static_cast<double>(taken.frames);
  number[kTakenLogEnd] = static_cast<double>(taken.log_end);
  number[kTakenRefused] = static_cast<double>(taken.refused.size());
  number[kTakenArrivals] = static_cast<double>(taken.arrivals.size());
  number += kTakenNumbers;
  for (const auto& piece : taken.refused) {
    *number++ = static_cast<double>(piece.at);
    *number++ = static_cast<double>(piece.bytes);
  }
  for (const auto& arrival : taken.arrivals) {
    *number++ = arrival.topic;
    *number++ = arrival.queue_id;
  }
  const size_t sent = wire::SendNow(static_cast<int>(fd), taken.answers);
  return taken.answers.size() == sent ? nullptr : Copy(env, taken.answers.data() + sent, taken.answers.size() - sent);
}

// setTopic(topic, number, queues)
napi_value SetTopic(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* const requests = static_cast<PlainRequests*>(arguments.data());
  std::string topic;
  int64_t number = 0, queues = 0;
  if (!arguments.String(0, &topic) || !arguments.Integer(1, &number) || !arguments.Integer(2, &queues) || number < 0 ||
      number > INT32_MAX || queues < 0 || queues > INT32_MAX)
    return ThrowArgument(env, "setTopic takes a topic, its number and how many queues it has");
  requests->sends.SetTopic(topic, static_cast<int32_t>(number), static_cast<int32_t>(queues));
  return Undefined(env);
}

// setPull(number, group, topic, subscription | undefined, tags, broker, slowBroker): pulls of this group and topic with
// this subscription, or with none, are plain from now on
napi_value SetPull(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* const requests = static_cast<PlainRequests*>(arguments.data());
  PullFrames::Pull pull;
  int64_t number = 0;
  std::string group, topic, subscription;
  const bool has_subscription = arguments.String(3, &subscription);
  const TagList* const tags = TagListOf(env, arguments.at(4));
  if (!arguments.Integer(0, &number) || number < 0 || number > INT32_MAX || !arguments.String(1, &group) ||
      !arguments.String(2, &topic) || (!has_subscription && !arguments.Is(3, napi_undefined)) ||
      (tags == nullptr && !arguments.Is(4, napi_undefined)) || !arguments.Integer(5, &pull.broker) ||
      !arguments.Integer(6, &pull.slow_broker))
    return ThrowArgument(env, "setPull takes a number, a group, a topic, a subscription, tags and two ids of brokers");
  pull.number = static_cast<int32_t>(number);
  if (tags != nullptr) pull.tags = tags->tags, pull.tag_hashes = tags->hashes;
  const std::string_view text = subscription;
  requests->pulls.Set(group, topic, has_subscription ? &text : nullptr, std::move(pull));
  return Undefined(env);
}

// awaitArrival(topic's number, queueId): the next arrival there is told of, once
napi_value AwaitArrival(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  int64_t topic = 0, queue_id = 0;
  if (!arguments.Integer(0, &topic) || !arguments.Integer(1, &queue_id) || topic < 0 || topic > kMostNumber ||
      queue_id < 0 || queue_id > kMostNumber)
    return ThrowArgument(env, "awaitArrival takes a topic's number and a queue id");
  static_cast<PlainRequests*>(arguments.data())
      ->sends.Await(static_cast<int32_t>(topic), static_cast<int32_t>(queue_id));
  return Undefined(env);
}

// clearPulls(): no pull is plain
napi_value ClearPulls(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  static_cast<PlainRequests*>(arguments.data())->pulls.Clear();
  return Undefined(env);
}

// watch(fd, bornHost, begun, gate, admit, onRead) → a socket, or undefined where it can't be had. From now on its bytes
// are read here, behind those that have begun a frame, and plain requests are taken of them. gate() is asked before
// each read, and says in bits: 1, sends are taken; 2, pulls are taken. admit(number,
// queueId, sysFlag, subVersion, commitOffset) is asked of each pull that could be answered here: 0, it may not. One
// that finds nothing yet has (…, offset, maxMessages, opaque, suspendMs) too: 0, it does not wait; it is `answerPull`'s
// then. onRead(rest?, unsent?, ended?, arrivals?, ranges?) gets what else has come (after it nothing is taken until the
// socket is given back), answers that the socket has not taken, an errno or 0 when nothing more comes, pairs of topic
// and queue id of arrivals that were awaited, and pairs of log offset and size, which belong behind what is unsent.
napi_value Watch(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* const requests = static_cast<PlainRequests*>(arguments.data());
  uint8_t *born = nullptr, *begun = nullptr;
  size_t born_count = 0, begun_count = 0;
  Host born_host;
  int64_t fd = -1;
  if (!arguments.Integer(0, &fd) || !arguments.Bytes(1, &born, &born_count) ||
      !ReadHost(born, born_count, &born_host) || !arguments.Bytes(2, &begun, &begun_count) ||
      !arguments.Is(3, napi_function) || !arguments.Is(4, napi_function) || !arguments.Is(5, napi_function))
    return ThrowArgument(env, "watch takes a descriptor, a host's 8 or 20 bytes, bytes and three functions");
  napi_value self = nullptr;
  napi_get_reference_value(env, requests->made, &self);
  return WatchSocket(env, {requests, self, arguments.at(3), arguments.at(4), arguments.at(5)}, static_cast<int>(fd),
                     born_host, {reinterpret_cast<const char*>(begun), begun_count});
}

// taken() → frames that were taken from sockets that are watched
napi_value TakenFromSockets(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  return js::Number(env, static_cast<double>(static_cast<PlainRequests*>(arguments.data())->frames_taken));
}

// createPlainRequests(store, {regionJson, cluster, traceOn, maxBodyBytes, version}) → an object of the functions above.
napi_value CreatePlainRequests(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  wire::SendFramesOptions options;
  if (!arguments.Option(1, "regionJson", &options.region_json) || !arguments.Option(1, "cluster", &options.cluster) ||
      !arguments.Option(1, "traceOn", &options.trace_on) ||
      !arguments.Option(1, "maxBodyBytes", &options.max_body_bytes) ||
      !arguments.Option(1, "version", &options.version))
    return ThrowArgument(env, "createPlainRequests takes a store and options");
  Store* const store = &handle->store();
  auto* const requests =
      new PlainRequests{handle, nullptr, SendFrames(store, options), PullFrames(store, options.version), {}, {}};
  napi_create_reference(env, arguments.at(0), 1, &requests->wrapper);
  napi_value made = Object(env);
  napi_create_reference(env, made, 0, &requests->made);
  constexpr std::pair<const char*, napi_callback> kFunctions[] = {
      {"awaitArrival", AwaitArrival}, {"take", Take},   {"setTopic", SetTopic},     {"setPull", SetPull},
      {"clearPulls", ClearPulls},     {"watch", Watch}, {"taken", TakenFromSockets}};
  for (const auto& [name, callback] : kFunctions) {
    napi_value function = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, requests, &function);
    Set(env, made, name, function);
    Set(env, function, "requests", made);  // whoever has one of them has them all
  }
  napi_add_finalizer(
      env, made, requests,
      [](napi_env e, void* pointer, void*) {
        auto* const gone = static_cast<PlainRequests*>(pointer);
        napi_delete_reference(e, gone->wrapper);
        napi_delete_reference(e, gone->made);
        delete gone;
      },
      nullptr, nullptr);
  return made;
}

}  // namespace

void ExportPlainRequests(napi_env env, napi_value exports) {
  Export(env, exports, "createPlainRequests", CreatePlainRequests);
}

}  // namespace millrace::js
