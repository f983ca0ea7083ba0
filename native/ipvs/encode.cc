#include <linux/genetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <string_view>

#include "ipvs/messages.h"

namespace ipvs {

namespace {

using netlink::MessageWriter;

std::string_view Text(const Name& name) {
  return {name.data(), static_cast<size_t>(std::find(name.begin(), name.end() - 1, '\0') - name.begin())};
}

netlink::View AddressBytes(const Address& address, uint16_t family) {
  return std::as_bytes(std::span(address)).first(family == AF_INET6 ? 16 : 4);
}

void Begin(MessageWriter& writer, uint16_t family, Command command, uint16_t flags) {
  writer.Begin(family, NLM_F_REQUEST | flags);
  writer.Fixed(genlmsghdr{static_cast<uint8_t>(command), kFamilyVersion, 0});
}

void PutServiceKey(MessageWriter& writer, const Service& service) {
  writer.PutValue(svc_attr::kAf, service.family);
  // The kernel would read a mark of 0 as TCP 0.0.0.0:0 (ip_vs_genl_parse_service).
  if (service.fwmark != 0) {
    writer.PutValue(svc_attr::kFwmark, service.fwmark);
    return;
  }
  writer.PutValue(svc_attr::kProtocol, service.protocol);
  writer.Put(svc_attr::kAddr, AddressBytes(service.address, service.family));
  writer.PutBe16(svc_attr::kPort, service.port);
}

// Writes all settings: NEW_SERVICE and SET_SERVICE require them, and SET_SERVICE resets a setting that is left out.
void PutServiceSettings(MessageWriter& writer, const Service& service) {
  writer.PutString(svc_attr::kSchedName, Text(service.scheduler));
  if (service.engine[0] != '\0') writer.PutString(svc_attr::kPeName, Text(service.engine));
  writer.PutValue(svc_attr::kFlags, Flags{service.flags, service.flags_mask});
  writer.PutValue(svc_attr::kTimeout, service.timeout);
  // The netmask is a mask in network order for IPv4, a prefix length in host order for IPv6.
  if (service.family == AF_INET6) {
    writer.PutValue(svc_attr::kNetmask, service.netmask);
  } else {
    writer.PutBe32(svc_attr::kNetmask, service.netmask);
  }
}

void PutServer(MessageWriter& writer, const Server& server, bool settings) {
  const size_t nested = writer.BeginNested(cmd_attr::kDest);
  writer.Put(dest_attr::kAddr, AddressBytes(server.address, server.family));
  writer.PutBe16(dest_attr::kPort, server.port);
  writer.PutValue(dest_attr::kAddrFamily, server.family);
  if (settings) {
    writer.PutValue(dest_attr::kFwdMethod, server.forwarding);
    writer.PutValue(dest_attr::kWeight, server.weight);
    writer.PutValue(dest_attr::kUThresh, server.upper_threshold);
    writer.PutValue(dest_attr::kLThresh, server.lower_threshold);
    if (server.forwarding == kForwardingTunnel) {
      writer.PutValue(dest_attr::kTunType, server.tunnel_type);
      writer.PutBe16(dest_attr::kTunPort, server.tunnel_port);
      writer.PutValue(dest_attr::kTunFlags, server.tunnel_flags);
    }
  }
  writer.EndNested(nested);
}

}  // namespace

void EncodeChange(MessageWriter& writer, uint16_t family, const Change& change) {
  const auto command = static_cast<Command>(change.command);
  Begin(writer, family, command, NLM_F_ACK);
  // FLUSH and ZERO of all services have no service attribute.
  if (change.service.family != AF_UNSPEC) {
    const size_t nested = writer.BeginNested(cmd_attr::kService);
    PutServiceKey(writer, change.service);
    if (command == Command::kNewService || command == Command::kSetService) PutServiceSettings(writer, change.service);
    writer.EndNested(nested);
  }
  if (command == Command::kNewDest || command == Command::kSetDest) PutServer(writer, change.server, true);
  if (command == Command::kDelDest) PutServer(writer, change.server, false);
  writer.End();
}

void EncodeGetService(MessageWriter& writer, uint16_t family, const Service& key) {
  Begin(writer, family, Command::kGetService, NLM_F_ACK);
  const size_t nested = writer.BeginNested(cmd_attr::kService);
  PutServiceKey(writer, key);
  writer.EndNested(nested);
  writer.End();
}

void EncodeDumpServers(MessageWriter& writer, uint16_t family, const Service& key) {
  Begin(writer, family, Command::kGetDest, NLM_F_DUMP);
  const size_t nested = writer.BeginNested(cmd_attr::kService);
  PutServiceKey(writer, key);
  writer.EndNested(nested);
  writer.End();
}

void EncodePlain(MessageWriter& writer, uint16_t family, Command command, uint16_t flags) {
  Begin(writer, family, command, flags);
  writer.End();
}

void EncodeSetTimeouts(MessageWriter& writer, uint16_t family, const Timeouts& timeouts) {
  Begin(writer, family, Command::kSetConfig, NLM_F_ACK);
  writer.PutValue(cmd_attr::kTimeoutTcp, timeouts.tcp);
  writer.PutValue(cmd_attr::kTimeoutTcpFin, timeouts.tcp_fin);
  writer.PutValue(cmd_attr::kTimeoutUdp, timeouts.udp);
  writer.End();
}

void EncodeDaemon(MessageWriter& writer, uint16_t family, Command command, const Daemon& daemon) {
  Begin(writer, family, command, NLM_F_ACK);
  const size_t nested = writer.BeginNested(cmd_attr::kDaemon);
  writer.PutValue(daemon_attr::kState, daemon.state);
  if (command == Command::kNewDaemon) {
    writer.PutString(daemon_attr::kMcastIfn, daemon.interface);
    writer.PutValue(daemon_attr::kSyncId, daemon.sync_id);
    if (daemon.max_length != 0) writer.PutValue(daemon_attr::kSyncMaxlen, daemon.max_length);
    if (daemon.group_family == AF_INET) writer.Put(daemon_attr::kMcastGroup, AddressBytes(daemon.group, AF_INET));
    if (daemon.group_family == AF_INET6) writer.Put(daemon_attr::kMcastGroup6, AddressBytes(daemon.group, AF_INET6));
    if (daemon.port != 0) writer.PutValue(daemon_attr::kMcastPort, daemon.port);  // in host order
    if (daemon.ttl != 0) writer.PutValue(daemon_attr::kMcastTtl, daemon.ttl);
  }
  writer.EndNested(nested);
  writer.End();
}

}  // namespace ipvs
