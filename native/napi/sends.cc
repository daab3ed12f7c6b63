// Plain sends: frames as they come from a socket are appended and answered in one crossing.
#include <sys/socket.h>

#include "../core/platform.h"
#include "../wire/send_frames.h"
#include "exports.h"

namespace millrace::js {
namespace {

using wire::SendFrames;

// What `take` writes into the Float64Array of numbers; refused frames (place, bytes) and arrivals (topic, queue id)
// follow.
enum TakenNumber { kTakenBytes, kTakenFrames, kTakenLogEnd, kTakenRefused, kTakenArrivals, kTakenNumbers };
constexpr size_t kMostPairs = 1024;

struct Sends {
  StoreHandle* handle;
  napi_ref wrapper;  // keeps the store's object, and with it `handle`
  SendFrames frames;
  SendFrames::Taken taken;
};

bool ReadHost(const uint8_t* bytes, size_t count, Host* host) {
  if (count != 8 && count != 20) return false;
  host->address_bytes = static_cast<uint8_t>(count - 4);
  memcpy(host->address, bytes, count - 4);
  host->port = GetI32(bytes + count - 4);
  return true;
}

// As much of the answers as the socket takes at once. What is left, errors included, is left to Node.
size_t SendNow(int fd, const std::string& answers) {
  if (fd < 0 || answers.empty()) return 0;
  const ssize_t sent = send(fd, answers.data(), answers.size(), platform::kSendFlags);
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

// take(bytes, bornHost, numbers, fd) → the answers, or undefined where there are none. Where nothing is waited for,
// `fd`
// (-1: none) is the socket's that they belong to, with nothing queued, and what it has taken is not given back.
napi_value Take(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* const sends = static_cast<Sends*>(arguments.data());
  uint8_t *bytes = nullptr, *born = nullptr, *out = nullptr;
  size_t count = 0, born_count = 0, out_bytes = 0;
  Host born_host;
  int64_t fd = -1;
  if (!arguments.Bytes(0, &bytes, &count) || !arguments.Bytes(1, &born, &born_count) ||
      !ReadHost(born, born_count, &born_host) || !arguments.Bytes(2, &out, &out_bytes) || !arguments.Integer(3, &fd) ||
      out_bytes < (kTakenNumbers + 4 * kMostPairs) * sizeof(double))
    return ThrowArgument(env, "take takes bytes, a host's 8 or 20 bytes, and numbers");
  SendFrames::Taken& taken = sends->taken;
  if (sends->handle->released()) {
    memset(out, 0, kTakenNumbers * sizeof(double));
    return nullptr;
  }
  sends->frames.Take({reinterpret_cast<const char*>(bytes), count}, born_host, &taken);
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
  const size_t sent = SendNow(static_cast<int>(fd), taken.answers);
  return taken.answers.size() == sent ? nullptr : Copy(env, taken.answers.data() + sent, taken.answers.size() - sent);
}

// setTopic(topic, number, queues)
napi_value SetTopic(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* const sends = static_cast<Sends*>(arguments.data());
  std::string topic;
  int64_t number = 0, queues = 0;
  if (!arguments.String(0, &topic) || !arguments.Integer(1, &number) || !arguments.Integer(2, &queues) || number < 0 ||
      number > INT32_MAX || queues < 0 || queues > INT32_MAX)
    return ThrowArgument(env, "setTopic takes a topic, its number and how many queues it has");
  sends->frames.SetTopic(topic, static_cast<int32_t>(number), static_cast<int32_t>(queues));
  return Undefined(env);
}

// createSends(store, {regionJson, cluster, traceOn, maxBodyBytes, version}) → {take, setTopic}
napi_value CreateSends(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  StoreHandle* handle = OpenHandle(env, arguments.at(0));
  if (handle == nullptr) return nullptr;
  wire::SendFramesOptions options;
  if (!arguments.Option(1, "regionJson", &options.region_json) || !arguments.Option(1, "cluster", &options.cluster) ||
      !arguments.Option(1, "traceOn", &options.trace_on) ||
      !arguments.Option(1, "maxBodyBytes", &options.max_body_bytes) ||
      !arguments.Option(1, "version", &options.version))
    return ThrowArgument(env, "createSends takes a store and options");
  auto* const sends = new Sends{handle, nullptr, SendFrames(&handle->store(), std::move(options)), {}};
  napi_create_reference(env, arguments.at(0), 1, &sends->wrapper);
  napi_value take = nullptr, set_topic = nullptr, made = Object(env);
  napi_create_function(env, "take", NAPI_AUTO_LENGTH, Take, sends, &take);
  napi_create_function(env, "setTopic", NAPI_AUTO_LENGTH, SetTopic, sends, &set_topic);
  Set(env, made, "take", take);
  Set(env, made, "setTopic", set_topic);
  // Whoever has one of the two has the other.
  Set(env, take, "sends", made);
  Set(env, set_topic, "sends", made);
  napi_add_finalizer(
      env, made, sends,
      [](napi_env e, void* pointer, void*) {
        auto* const gone = static_cast<Sends*>(pointer);
        napi_delete_reference(e, gone->wrapper);
        delete gone;
      },
      nullptr, nullptr);
  return made;
}

}  // namespace

void ExportSends(napi_env env, napi_value exports) { Export(env, exports, "createSends", CreateSends); }

}  // namespace millrace::js
