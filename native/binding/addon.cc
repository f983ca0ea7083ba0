#include <napi.h>

#include <memory>
#include <system_error>

#include "binding/addon_data.h"
#include "binding/convert.h"
#include "binding/session.h"

namespace {

// start(complete): begins the I/O thread. Loading the addon alone starts nothing.
void Start(const Napi::CallbackInfo& info) {
  auto* data = info.Env().GetInstanceData<binding::AddonData>();
  if (data->environment) throw Napi::Error::New(info.Env(), "already started");
  try {
    data->environment = binding::Environment::Create(info.Env(), info[0].As<Napi::Function>());
  } catch (const std::system_error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(std::make_unique<binding::AddonData>().release());
  exports.Set("start", Napi::Function::New(env, Start, "start"));
  exports.Set("Session", binding::Session::Define(env));
  exports.Set("layout", binding::Layout(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(ipvs, Init)
