#include "binding/grace_period.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace binding {

namespace {

// Calls MEMBARRIER_CMD_GLOBAL, which is synchronize_rcu() (kernel/sched/membarrier.c); netfilter hooks run as RCU
// readers (nf_hook()). The expedited commands only interrupt the processors: they do not wait for the interrupted
// code. EINVAL if the kernel was started with nohz_full; EPERM or ENOSYS in a sandbox.
class Waiting : public Napi::AsyncWorker {
 public:
  explicit Waiting(Napi::Env env) : AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) errno_ = errno;
  }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), errno_)); }

 private:
  Napi::Promise::Deferred deferred_;
  int errno_ = 0;
};

}  // namespace

Napi::Value GracePeriod(const Napi::CallbackInfo& info) {
  auto waiting = std::make_unique<Waiting>(info.Env());
  const Napi::Promise promise = waiting->promise();
  waiting->Queue();
  waiting.release();  // deletes itself when it is done
  return promise;
}

}  // namespace binding
