#include <napi.h>
#include <sys/file.h>

#include <cerrno>
#include <system_error>

#include "binding/conntrack_layout.h"
#include "binding/conntrack_session.h"
#include "binding/convert.h"
#include "binding/environment.h"
#include "binding/grace_period.h"
#include "binding/ipvs_session.h"
#include "binding/netlink_batch.h"
#include "binding/netlink_session.h"

namespace {

// start(complete): starts the I/O threads and returns a handle, which the constructors of sessions take. Each copy of
// the package starts its own thread; loading the addon starts none.
Napi::Value Start(const Napi::CallbackInfo& info) {
  try {
    return binding::Environment::Wrap(info.Env(),
                                      binding::Environment::Create(info.Env(), info[0].As<Napi::Function>()));
  } catch (const std::system_error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

// lock(fd): returns 0 or an errno; EAGAIN if another process holds the lock. The kernel releases the lock when the
// last descriptor of this open file is closed, at the latest when the process ends (flock(2)). Never blocks.
Napi::Value Lock(const Napi::CallbackInfo& info) {
  const int result = flock(info[0].As<Napi::Number>().Int32Value(), LOCK_EX | LOCK_NB);
  return Napi::Number::New(info.Env(), result == 0 ? 0 : errno);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("start", Napi::Function::New(env, Start, "start"));
  exports.Set("lock", Napi::Function::New(env, Lock, "lock"));
  exports.Set("gracePeriod", Napi::Function::New(env, binding::GracePeriod, "gracePeriod"));
  exports.Set("IpvsSession", binding::IpvsSession::Define(env));
  exports.Set("ConntrackSession", binding::ConntrackSession::Define(env));
  exports.Set("NetlinkSession", binding::NetlinkSession::Define(env));
  exports.Set("NetlinkBatch", binding::NetlinkBatch::Define(env));
  exports.Set("layout", binding::Layout(env));
  exports.Set("conntrackLayout", binding::ConntrackLayout(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(ipvs, Init)
