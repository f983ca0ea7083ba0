// The JavaScript handle for IPVS in one network namespace.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <unordered_map>

#include "binding/handle.h"
#include "ipvs/client.h"
#include "ipvs/connection_file.h"

namespace binding {

// The part of a session that lives in its strand.
struct IpvsState {
  std::shared_ptr<netlink::Strand> strand;  // destroyed last: the other members use it
  netns::Namespace network_namespace;
  std::optional<ipvs::Client> client;  // empty: not open yet, or closed
  std::unordered_map<uint32_t, ipvs::ConnectionFile> connections;

  // The family must be resolved too: its number is the message type, and the kernel ignores messages of type 0.
  bool open() const { return client && client->resolved(); }
  void Cancel(uint32_t id) {
    if (client) client->Cancel(id);
  }
  void Clear() {
    client.reset();
    connections.clear();
  }
};

class IpvsSession : public Napi::ObjectWrap<IpvsSession> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit IpvsSession(const Napi::CallbackInfo& info);

 private:
  void Open(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info) { handle_.Close(info); }
  void Cancel(const Napi::CallbackInfo& info) { handle_.Cancel(info); }
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
  void ReadFiles(const Napi::CallbackInfo& info) { handle_.ReadFiles(info); }
  void WriteFile(const Napi::CallbackInfo& info) { handle_.WriteFile(info); }
  void OpenConnections(const Napi::CallbackInfo& info);
  void NextConnections(const Napi::CallbackInfo& info);
  void CloseConnections(const Napi::CallbackInfo& info);

  Handle<IpvsState> handle_;
};

}  // namespace binding
