// Sockets that the core reads, in the event loop of their environment.
#include "exports.h"

#include <uv.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <unordered_map>
#include <vector>

#include "../core/platform.h"
#include "plain_sockets.h"

namespace millrace::js {
namespace {

constexpr napi_type_tag kSocketTag = {0x6d696c6c72616365, 0x736f636b65740004};

class Sockets;

// A socket and its place in the event loop. The loop has it until it is closed; the program has a handle on it.
struct Socket {
  Sockets* sockets;
  PlainRequests* requests;
  napi_ref self, gate, admit, on_read;
  std::shared_ptr<wire::PlainSocket> socket;  // null once it is closed
  uv_poll_t poll;
};

// Of one environment.
class Sockets {
 public:
  explicit Sockets(napi_env env) : env_(env) {
    napi_get_uv_event_loop(env, &loop_);
    napi_value name = String(env, "millrace.sockets");
    napi_async_init(env, nullptr, name, &context_);
    napi_value resource = Object(env);
    napi_create_reference(env, resource, 1, &resource_);
    napi_add_async_cleanup_hook(
        env,
        [](napi_async_cleanup_hook_handle hook, void* data) {
          auto* const sockets = static_cast<Sockets*>(data);
          sockets->hook_ = hook;
          for (const auto& entry : sockets->open_) sockets->Close(*entry.first);  // they go when the loop has let go
          sockets->EndWhereEmpty();
        },
        this, nullptr);
  }

  std::shared_ptr<Socket> Open(const PlainSocketParts& parts, int fd, const Host& born, std::string_view begun) {
    const int own = platform::Duplicate(fd);
    if (own < 0) return nullptr;
    auto socket = std::make_shared<Socket>();
    PlainRequests& requests = *parts.requests;
    socket->socket = std::make_shared<wire::PlainSocket>(
        &requests.sends, &requests.pulls,
        [this, to = socket.get()](int32_t number, const wire::PullMessageRequest& pull, bool waits) {
          return Admits(*to, number, pull, waits);
        },
        own, born, begun);
    if (uv_poll_init(loop_, &socket->poll, own) != 0) return nullptr;
    socket->poll.data = socket.get();
    socket->sockets = this;
    socket->requests = &requests;
    napi_create_reference(env_, parts.self, 1, &socket->self);
    napi_create_reference(env_, parts.gate, 1, &socket->gate);
    napi_create_reference(env_, parts.admit, 1, &socket->admit);
    napi_create_reference(env_, parts.on_read, 1, &socket->on_read);
    open_[socket.get()] = socket;
    Listen(*socket);
    return socket;
  }

  static void Listen(Socket& socket) {
    uv_poll_start(&socket.poll, UV_READABLE, [](uv_poll_t* poll, int status, int) {
      auto* const ready = static_cast<Socket*>(poll->data);
      ready->sockets->OnReadable(*ready, status);
    });
  }

  void Close(Socket& socket) {
    if (!socket.socket) return;
    uv_poll_stop(&socket.poll);
    socket.socket.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&socket.poll), [](uv_handle_t* poll) {
      auto* const closed = static_cast<Socket*>(poll->data);
      closed->sockets->OnClosed(*closed);
    });
  }

  bool Answer(Socket& socket, const wire::PullFrames::Waiting& waiting) {
    const std::shared_ptr<wire::PlainSocket> answering = socket.socket;
    wire::PlainSocket::Read read;
    if (!answering || socket.requests->handle->released() || !answering->Answer(waiting, &read)) return false;
    Tell(socket, read, false);
    return true;
  }

 private:
  void OnReadable(Socket& socket, int status) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    const int32_t may = socket.requests->handle->released() ? 0 : Ask(socket.gate, 0, nullptr);
    if (socket.socket) Read(socket, may, status);  // unless whoever was asked has closed it
    napi_close_handle_scope(env_, scope);
  }

  // Bits of what a gate says.
  static constexpr int32_t kSends = 1, kPulls = 2;

  void Read(Socket& socket, int32_t may, int status) {
    wire::SendFrames::Taken& taken = socket.requests->read;
    const std::shared_ptr<wire::PlainSocket> reading = socket.socket;  // whoever admits pulls may close it
    wire::PlainSocket::Read read = reading->Next({(may & kSends) != 0, (may & kPulls) != 0}, &taken);
    if (status < 0 && !read.ended) read.ended = true, read.error = -status;
    socket.requests->frames_taken += taken.frames + taken.pulls;
    Tell(socket, read, !taken.arrivals.empty());
  }

  void Tell(Socket& socket, const wire::PlainSocket::Read& read, bool arrivals) {
    const bool open = socket.socket != nullptr;  // else whoever has been asked has closed it
    if (open && read.ended) uv_poll_stop(&socket.poll);
    if ((open && read.handed_over()) || arrivals) Call(socket, open ? read : wire::PlainSocket::Read(), arrivals);
  }

  bool Admits(const Socket& socket, int32_t number, const wire::PullMessageRequest& pull, bool waits) {
    const int64_t values[] = {number,
                              pull.queue_id,
                              pull.sys_flag,
                              pull.sub_version,
                              pull.commit_offset,
                              pull.queue_offset,
                              pull.max_messages,
                              pull.opaque,
                              pull.suspend_ms};
    constexpr size_t kOfWaiting = 4;
    napi_value arguments[std::size(values)];
    const size_t count = std::size(values) - (waits ? 0 : kOfWaiting);
    for (size_t i = 0; i < count; i++) arguments[i] = js::Number(env_, static_cast<double>(values[i]));
    return Ask(socket.admit, count, arguments) != 0;
  }

  // A function of the program's, for a number.
  int32_t Ask(napi_ref asked, size_t count, const napi_value* arguments) {
    napi_value function = nullptr, answer = nullptr;
    napi_get_reference_value(env_, asked, &function);
    int32_t number = 0;
    if (napi_call_function(env_, Undefined(env_), function, count, arguments, &answer) != napi_ok) {
      Uncaught();
    } else {
      napi_get_value_int32(env_, answer, &number);
    }
    return number;
  }

  void Call(Socket& socket, const wire::PlainSocket::Read& read, bool told) {
    napi_value arguments[] = {Undefined(env_), Undefined(env_), Undefined(env_), Undefined(env_), Undefined(env_)};
    if (!read.rest.empty()) arguments[0] = Copy(env_, read.rest.data(), read.rest.size());
    if (!read.unsent.empty()) arguments[1] = Copy(env_, read.unsent.data(), read.unsent.size());
    if (read.ended) arguments[2] = js::Number(env_, read.error);
    std::vector<int64_t> pairs;
    if (told) {
      for (const auto& arrival : socket.requests->read.arrivals) {
        pairs.push_back(arrival.topic);
        pairs.push_back(arrival.queue_id);
      }
      arguments[3] = Numbers(env_, pairs);
    }
    if (!read.unsent_ranges.empty()) {
      pairs.clear();
      for (const auto& [from, to] : read.unsent_ranges) {
        pairs.push_back(from);
        pairs.push_back(to - from);
      }
      arguments[4] = Numbers(env_, pairs);
    }
    napi_value on_read = nullptr, resource = nullptr;
    napi_get_reference_value(env_, socket.on_read, &on_read);
    napi_get_reference_value(env_, resource_, &resource);
    if (napi_make_callback(env_, context_, resource, on_read, std::size(arguments), arguments, nullptr) != napi_ok)
      Uncaught();
  }

  // As if it had been thrown in an event of a socket of Node's.
  void Uncaught() {
    napi_value error = nullptr;
    if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
  }

  void OnClosed(Socket& socket) {
    for (napi_ref reference : {socket.self, socket.gate, socket.admit, socket.on_read})
      napi_delete_reference(env_, reference);
    open_.erase(&socket);
    EndWhereEmpty();
  }

  void EndWhereEmpty() {
    if (hook_ == nullptr || !open_.empty()) return;
    napi_remove_async_cleanup_hook(hook_);
    hook_ = nullptr;
  }

  const napi_env env_;
  uv_loop_s* loop_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_ref resource_ = nullptr;
  std::unordered_map<Socket*, std::shared_ptr<Socket>> open_;
  napi_async_cleanup_hook_handle hook_ = nullptr;  // once the environment ends
};

Sockets& SocketsOf(napi_env env) {
  std::shared_ptr<void>& sockets = GetEnvironment(env)->plain_sockets;
  if (!sockets) sockets = std::make_shared<Sockets>(env);
  return *static_cast<Sockets*>(sockets.get());
}

// The socket behind an external of WatchSocket's.
Socket* SocketOf(const Arguments& arguments) {
  void* pointer = nullptr;
  bool ours = false;
  if (!arguments.Is(0, napi_external) ||
      napi_check_object_type_tag(arguments.env(), arguments.at(0), &kSocketTag, &ours) != napi_ok || !ours)
    return nullptr;
  napi_get_value_external(arguments.env(), arguments.at(0), &pointer);
  return static_cast<std::shared_ptr<Socket>*>(pointer)->get();
}

// listenSocket(socket, whether)
napi_value ListenSocket(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Socket* const socket = SocketOf(arguments);
  bool listen = false;
  if (socket == nullptr || !arguments.Boolean(1, &listen)) return ThrowArgument(env, "listenSocket takes a socket");
  if (!socket->socket) return Undefined(env);
  if (listen) {
    Sockets::Listen(*socket);
  } else {
    uv_poll_stop(&socket->poll);
  }
  return Undefined(env);
}

// giveBack(socket, begun): plain requests are taken of it again, behind the beginning of a frame
napi_value GiveBack(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Socket* const socket = SocketOf(arguments);
  uint8_t* bytes = nullptr;
  size_t count = 0;
  if (socket == nullptr || !arguments.Bytes(1, &bytes, &count))
    return ThrowArgument(env, "giveBack takes a socket and bytes");
  if (socket->socket) socket->socket->TakeBack({reinterpret_cast<const char*>(bytes), count});
  return Undefined(env);
}

// answerPull(socket, number, queueId, offset, maxMessages, opaque) → whether a pull that has waited, one of those that
// `setPull` gave this number, has been answered
napi_value AnswerPull(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Socket* const socket = SocketOf(arguments);
  int64_t numbers[5] = {};
  bool given = socket != nullptr;
  for (size_t i = 0; i < std::size(numbers); i++) given = given && arguments.Integer(i + 1, &numbers[i]);
  if (!given) return ThrowArgument(env, "answerPull takes a socket and five numbers");
  const auto small = [&](size_t i) {
    return static_cast<int32_t>(std::clamp<int64_t>(numbers[i], INT32_MIN, INT32_MAX));
  };
  const wire::PullFrames::Waiting waiting{small(0), small(1), small(3), small(4), numbers[2]};
  return js::Boolean(env, socket->sockets->Answer(*socket, waiting));
}

// handOver(socket): nothing is taken of it until it is given back
napi_value HandOver(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Socket* const socket = SocketOf(arguments);
  if (socket == nullptr) return ThrowArgument(env, "handOver takes a socket");
  if (socket->socket) socket->socket->HandOver();
  return Undefined(env);
}

// quietMs(socket) → for so long nothing has come
napi_value QuietMs(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Socket* const socket = SocketOf(arguments);
  if (socket == nullptr) return ThrowArgument(env, "quietMs takes a socket");
  const int64_t heard = socket->socket ? socket->socket->heard_ms() : 0;
  return js::Number(env, static_cast<double>(platform::CoarseMs() - heard));
}

// closeSocket(socket): lets go of it
napi_value CloseSocket(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Socket* const socket = SocketOf(arguments);
  if (socket == nullptr) return ThrowArgument(env, "closeSocket takes a socket");
  socket->sockets->Close(*socket);
  return Undefined(env);
}

}  // namespace

napi_value WatchSocket(napi_env env, const PlainSocketParts& parts, int fd, const Host& born, std::string_view begun) {
  auto socket = SocketsOf(env).Open(parts, fd, born, begun);
  if (!socket) return Undefined(env);
  napi_value external = nullptr;
  napi_create_external(
      env, new std::shared_ptr<Socket>(std::move(socket)),
      [](napi_env, void* pointer, void*) { delete static_cast<std::shared_ptr<Socket>*>(pointer); }, nullptr,
      &external);
  napi_type_tag_object(env, external, &kSocketTag);
  return external;
}

void ExportPlainSockets(napi_env env, napi_value exports) {
  Export(env, exports, "listenSocket", ListenSocket);
  Export(env, exports, "handOver", HandOver);
  Export(env, exports, "giveBack", GiveBack);
  Export(env, exports, "answerPull", AnswerPull);
  Export(env, exports, "quietMs", QuietMs);
  Export(env, exports, "closeSocket", CloseSocket);
}

}  // namespace millrace::js
