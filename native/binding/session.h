// A handle on IPVS in one network namespace, as JavaScript sees it.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <unordered_map>

#include "binding/environment.h"
#include "ipvs/client.h"
#include "ipvs/connection_file.h"
#include "netns/namespace.h"

namespace binding {

// The part of a session that lives in the I/O thread.
struct SessionState {
  netns::Namespace network_namespace;
  std::optional<ipvs::Client> client;  // none: not open yet, or closed
  std::unordered_map<uint32_t, ipvs::ConnectionFile> connections;
};

// Each method starts a request, whose number is its first argument, and returns nothing.
// Its end comes through Environment::Complete().
class Session : public Napi::ObjectWrap<Session> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Session(const Napi::CallbackInfo& info);
  ~Session() override;

 private:
  template <typename T>
  using Done = ipvs::Client::Done<T>;

  // Posts `work(state, id, done)` to the I/O thread; `convert(env, value)` makes its result
  // a value of JavaScript. EBADF when the session is closed.
  template <typename T, typename Work, typename Convert>
  void Start(const Napi::CallbackInfo& info, Work work, Convert convert);
  template <typename T, typename Work, typename Convert>
  void StartClosed(const Napi::CallbackInfo& info, Work work, Convert convert);

  void Open(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void Cancel(const Napi::CallbackInfo& info);
  void Resolve(const Napi::CallbackInfo& info);
  void Apply(const Napi::CallbackInfo& info);
  void GetService(const Napi::CallbackInfo& info);
  void ListServices(const Napi::CallbackInfo& info);
  void ListServers(const Napi::CallbackInfo& info);
  void ReadTable(const Napi::CallbackInfo& info);
  void GetInfo(const Napi::CallbackInfo& info);
  void GetTimeouts(const Napi::CallbackInfo& info);
  void SetTimeouts(const Napi::CallbackInfo& info);
  void ListDaemons(const Napi::CallbackInfo& info);
  void StartDaemon(const Napi::CallbackInfo& info);
  void StopDaemon(const Napi::CallbackInfo& info);
  void ReadFiles(const Napi::CallbackInfo& info);
  void WriteFile(const Napi::CallbackInfo& info);
  void OpenConnections(const Napi::CallbackInfo& info);
  void NextConnections(const Napi::CallbackInfo& info);
  void CloseConnections(const Napi::CallbackInfo& info);

  std::shared_ptr<Environment> environment_;
  std::shared_ptr<SessionState> state_;
};

}  // namespace binding
