// The I/O threads, and the queue of their results for one JavaScript environment (the main thread, or a worker).
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "binding/throwaway_threads.h"
#include "netlink/error.h"
#include "netlink/io_pool.h"

namespace binding {

// Every request has a number. One JavaScript function gets the results, in batches:
// complete([id, errno, message, value, id, errno, ...]). This object therefore holds no other JavaScript values, which
// it would have to release when a worker is terminated.
class Environment : public std::enable_shared_from_this<Environment> {
 public:
  static std::shared_ptr<Environment> Create(Napi::Env env, Napi::Function complete);
  // Convert to a JavaScript value and back. Unwrap() throws a TypeError for any other value.
  static Napi::Value Wrap(Napi::Env env, std::shared_ptr<Environment> environment);
  static std::shared_ptr<Environment> Unwrap(const Napi::Value& value);

  netlink::IoPool& pool() { return *pool_; }
  ThrowawayThreads& threads() { return *threads_; }
  // Counts a request as started; call it in the JavaScript thread. A request under way keeps the process alive; an
  // open handle does not.
  void Begin(Napi::Env env);
  // End a request: call one of them once per Begin(), in any thread. `value` runs in the JavaScript thread.
  void Fail(uint32_t id, netlink::Failure failure);
  void Succeed(uint32_t id, std::function<Napi::Value(Napi::Env)> value);

 private:
  struct Completion {
    uint32_t id = 0;
    netlink::Failure failure;
    std::function<Napi::Value(Napi::Env)> value;  // set only if the request succeeded
  };

  Environment() = default;
  void Complete(Completion completion);
  static void Drain(Napi::Env env, Napi::Function complete, Environment* self, void* data);
  void Shutdown();

  using Function = Napi::TypedThreadSafeFunction<Environment, void, &Environment::Drain>;

  Function function_;
  std::mutex mutex_;
  std::vector<Completion> completions_;  // guarded by mutex_
  bool over_ = false;                    // guarded by mutex_: function_ must not be called any more
  uint32_t pending_ = 0;
  std::unique_ptr<netlink::IoPool> pool_;  // its threads use all members above
  std::unique_ptr<ThrowawayThreads> threads_;
};

}  // namespace binding
