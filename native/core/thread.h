// A thread that may fail to start: std::thread throws where a process may have no more of them, and the core is built
// without exceptions.
#pragma once

#include <pthread.h>

#include <functional>
#include <memory>

#include "status.h"

namespace millrace {

class Thread {
 public:
  Thread() = default;
  ~Thread() { Join(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // Of a thread that does not run.
  Status Start(std::function<void()> body) {
    auto taken = std::make_unique<std::function<void()>>(std::move(body));
    const int error = pthread_create(
        &thread_, nullptr,
        [](void* argument) -> void* {
          const std::unique_ptr<std::function<void()>> run(static_cast<std::function<void()>*>(argument));
          (*run)();
          return nullptr;
        },
        taken.get());
    if (error != 0) return Status::System("pthread_create", {}, error);
    (void)taken.release();  // the thread frees it
    running_ = true;
    return Status::Ok();
  }
  bool running() const { return running_; }
  void Join() {
    if (running_) pthread_join(thread_, nullptr);
    running_ = false;
  }

 private:
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace millrace
