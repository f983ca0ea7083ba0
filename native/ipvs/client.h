// Reads and changes IPVS over one channel. Use it in one strand only.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ipvs/messages.h"
#include "netlink/request.h"

namespace ipvs {

struct Table {
  std::vector<Service> services;
  std::vector<Server> servers;  // each with the index of its service
};

class Client {
 public:
  template <typename T>
  using Done = netlink::Done<T>;

  explicit Client(std::shared_ptr<netlink::Channel> channel) : channel_(std::move(channel)) {}

  // Resolves the netlink family. Call it first, and again after an unexpected ENOENT: the module may have been
  // reloaded. EPROTONOSUPPORT: the kernel has no IPVS at the moment.
  void Resolve(uint32_t tag, Done<uint16_t> done);
  bool resolved() const { return family_ != 0; }

  // Returns one outcome per change, in order. A failed change does not stop the following ones.
  void Apply(uint32_t tag, const std::vector<PackedChange>& changes, Done<std::vector<netlink::Failure>> done);
  void GetService(uint32_t tag, const Service& key, Done<Service> done);
  void ListServices(uint32_t tag, Done<std::vector<Service>> done);
  // Lists the servers of a service. ESRCH: no such service; the kernel itself reports an empty list.
  void ListServers(uint32_t tag, const Service& key, Done<std::vector<Server>> done);
  void ReadTable(uint32_t tag, Done<Table> done);
  void GetInfo(uint32_t tag, Done<Info> done);
  void GetTimeouts(uint32_t tag, Done<Timeouts> done);
  void SetTimeouts(uint32_t tag, const Timeouts& timeouts, Done<bool> done);
  void ListDaemons(uint32_t tag, Done<std::vector<Daemon>> done);
  void ChangeDaemon(uint32_t tag, Command command, const Daemon& daemon, Done<bool> done);
  void Cancel(uint32_t tag) { channel_->Cancel(tag); }

 private:
  struct Reading;
  void ReadServers(const std::shared_ptr<Reading>& reading, uint32_t index);

  std::shared_ptr<netlink::Channel> channel_;
  uint16_t family_ = 0;
  size_t last_servers_ = 0;  // number of servers in the last table: estimates the next one
};

}  // namespace ipvs
