#include "binding/environment.h"

#include <cerrno>
#include <utility>

namespace binding {

std::shared_ptr<Environment> Environment::Create(Napi::Env env, Napi::Function complete) {
  std::shared_ptr<Environment> self(new Environment());
  self->pool_ = std::make_unique<netlink::IoPool>();
  self->threads_ = std::make_unique<ThrowawayThreads>();
  self->function_ = Function::New(env, complete, "ipvs", 0, 1, self.get());
  self->function_.Unref(env);
  // Hooks run last in, first out. This one runs before the hook of the function above, so the threads that call
  // the function have ended before the function is destroyed.
  env.AddCleanupHook([self] { self->Shutdown(); });
  return self;
}

Napi::Value Environment::Wrap(Napi::Env env, std::shared_ptr<Environment> environment) {
  auto holder = std::make_unique<std::shared_ptr<Environment>>(std::move(environment));
  return Napi::External<std::shared_ptr<Environment>>::New(
      env, holder.release(), [](Napi::Env /*env*/, std::shared_ptr<Environment>* held) {
        const std::unique_ptr<std::shared_ptr<Environment>> owner(held);
      });
}

std::shared_ptr<Environment> Environment::Unwrap(const Napi::Value& value) {
  if (!value.IsExternal()) throw Napi::TypeError::New(value.Env(), "what start() returned is expected");
  return *value.As<Napi::External<std::shared_ptr<Environment>>>().Data();
}

void Environment::Shutdown() {
  {
    // Sessions outlive this object: they are finalized last, and end their requests then.
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  pool_->Stop();
  threads_->Stop();
}

void Environment::Begin(Napi::Env env) {
  if (pending_++ == 0) function_.Ref(env);
}

void Environment::Fail(uint32_t id, netlink::Failure failure) {
  Completion completion;
  completion.id = id;
  completion.failure = std::move(failure);
  Complete(std::move(completion));
}

void Environment::Succeed(uint32_t id, std::function<Napi::Value(Napi::Env)> value) {
  Completion completion;
  completion.id = id;
  completion.value = std::move(value);
  Complete(std::move(completion));
}

void Environment::Complete(Completion completion) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    wake = completions_.empty();
    completions_.push_back(std::move(completion));
  }
  if (wake) function_.NonBlockingCall();
}

void Environment::Drain(Napi::Env env, Napi::Function complete, Environment* self, void* /*data*/) {
  if (static_cast<napi_env>(env) == nullptr) return;  // the environment is shutting down
  std::vector<Completion> completions;
  {
    const std::lock_guard lock(self->mutex_);
    completions.swap(self->completions_);
  }
  const auto count = static_cast<uint32_t>(completions.size());
  self->pending_ -= count;
  if (self->pending_ == 0) self->function_.Unref(env);
  try {
    const Napi::Array batch = Napi::Array::New(env, static_cast<size_t>(count) * 4);
    for (uint32_t i = 0; i < count; ++i) {
      const Completion& completion = completions[i];
      Napi::Value value = env.Undefined();
      netlink::Failure failure = completion.failure;
      try {
        if (!failure) value = completion.value(env);
      } catch (const Napi::Error& error) {
        failure = {ENOMEM, error.Message()};  // for example, a value too large for an ArrayBuffer
      }
      batch.Set(i * 4, completion.id);
      batch.Set(i * 4 + 1, failure.code);
      batch.Set(i * 4 + 2, failure.message);
      batch.Set(i * 4 + 3, value);
    }
    complete.Call({batch});
  } catch (const Napi::Error&) {
    // `complete` itself never throws: the worker is being terminated, and no caller waits.
  }
}

}  // namespace binding
