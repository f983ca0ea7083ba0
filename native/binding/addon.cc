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
#include "binding/netlink_session.h"

namespace {

// start(complete): begins an I/O thread, and returns what sessions that use it are made with.
// Each copy of the package has its own; loading the addon alone starts nothing.
Napi::Value Start(const Napi::CallbackInfo& info) {
  try {
    return binding::Environment::Wrap(info.Env(),
                                      binding::Environment::Create(info.Env(), info[0].As<Napi::Function>()));
  } catch (const std::system_error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

// lock(fd): 0, or an errno; EAGAIN if another has the file locked. The lock goes with the last descriptor of
// this opening of the file, at the latest with the process (flock(2)). Never waits: no thread is needed.
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
  exports.Set("layout", binding::Layout(env));
  exports.Set("conntrackLayout", binding::ConntrackLayout(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(ipvs, Init)
