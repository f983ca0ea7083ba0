// Raw netlink for the messages that TypeScript encodes and decodes (routes, links, nf_tables rules), and named network
// namespaces.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <unordered_map>

#include "binding/handle.h"
#include "netlink/channel.h"
#include "netlink/group_listener.h"
#include "netlink/transaction.h"

namespace binding {

// The part of a session that lives in its strand.
struct NetlinkState {
  std::shared_ptr<netlink::Strand> strand;  // destroyed last: the other members use it
  netns::Namespace network_namespace;
  int protocol = 0;
  std::shared_ptr<netlink::Channel> channel;   // null: not open yet, or closed
  std::optional<netlink::Socket> transaction;  // opened at the first Transact()
  uint32_t next_sequence = 1;                  // of transactions
  std::unordered_map<uint32_t, std::shared_ptr<netlink::GroupListener>> listeners;
  std::unordered_map<uint32_t, std::shared_ptr<netns::Patience>> waits;  // of throwaway threads

  bool open() const { return channel != nullptr; }
  void Cancel(uint32_t id);
  void Clear();
};

class NetlinkSession : public Napi::ObjectWrap<NetlinkSession> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit NetlinkSession(const Napi::CallbackInfo& info);

 private:
  void Open(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info) { handle_.Close(info); }
  void Cancel(const Napi::CallbackInfo& info) { handle_.Cancel(info); }
  void Request(const Napi::CallbackInfo& info);
  void Dump(const Napi::CallbackInfo& info);
  void Transact(const Napi::CallbackInfo& info);
  void Listen(const Napi::CallbackInfo& info);
  void Heard(const Napi::CallbackInfo& info);
  void Unlisten(const Napi::CallbackInfo& info);
  void SendFrame(const Napi::CallbackInfo& info);
  void CreateNamespace(const Napi::CallbackInfo& info);
  void ChangeNamespace(const Napi::CallbackInfo& info, std::shared_ptr<netns::Patience> patience,
                       std::function<netlink::Failure(netns::Patience&)> change);
  void DeleteNamespace(const Napi::CallbackInfo& info);
  void ReadFiles(const Napi::CallbackInfo& info) { handle_.ReadFiles(info); }
  void WriteFile(const Napi::CallbackInfo& info) { handle_.WriteFile(info); }

  Handle<NetlinkState> handle_;
};

}  // namespace binding
