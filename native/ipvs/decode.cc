#include <linux/genetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "ipvs/messages.h"

namespace ipvs {

namespace {

using netlink::AttributeReader;
using netlink::View;

void CopyAddress(Address& to, View from) {
  std::transform(from.begin(), from.begin() + std::min(from.size(), to.size()), to.begin(),
                 [](std::byte byte) { return std::to_integer<uint8_t>(byte); });
}

void CopyName(Name& to, std::string_view from) {
  std::copy_n(from.begin(), std::min(from.size(), to.size() - 1), to.begin());
}

Statistics DecodeStatistics64(AttributeReader attributes) {
  Statistics result{};
  while (attributes.Next()) {
    if (attributes.type() >= 1 && attributes.type() <= result.size()) {
      result.at(attributes.type() - 1) = attributes.Value<uint64_t>();
    }
  }
  return result;
}

// Decodes the older statistics, the only ones before Linux 4.1: 32-bit values, except the byte counters.
Statistics DecodeStatistics32(AttributeReader attributes) {
  Statistics result{};
  while (attributes.Next()) {
    if (attributes.type() < 1 || attributes.type() > result.size()) continue;
    const bool bytes = attributes.type() == 4 || attributes.type() == 5;
    result.at(attributes.type() - 1) = bytes ? attributes.Value<uint64_t>() : attributes.Value<uint32_t>();
  }
  return result;
}

// Calls `field` for each attribute of the message, or of the one attribute `nested` in it.
template <typename Field>
bool ForEach(View payload, uint16_t nested, Field field) {
  bool malformed = payload.size() < GENL_HDRLEN;
  bool found = nested == 0;
  if (malformed) return false;
  AttributeReader top(payload.subspan(GENL_HDRLEN), malformed);
  while (top.Next()) {
    if (nested == 0) {
      field(top);
    } else if (top.type() == nested) {
      found = true;
      AttributeReader inner = top.Nested();
      while (inner.Next()) field(inner);
    }
  }
  return found && !malformed;
}

}  // namespace

std::optional<Service> DecodeService(View payload) {
  Service service{};
  const bool complete = ForEach(payload, cmd_attr::kService, [&](AttributeReader& attribute) {
    switch (attribute.type()) {
      case svc_attr::kAf: service.family = attribute.Value<uint16_t>(); break;
      case svc_attr::kProtocol: service.protocol = attribute.Value<uint16_t>(); break;
      case svc_attr::kAddr: CopyAddress(service.address, attribute.payload()); break;
      case svc_attr::kPort: service.port = attribute.Be16(); break;
      case svc_attr::kFwmark: service.fwmark = attribute.Value<uint32_t>(); break;
      case svc_attr::kSchedName: CopyName(service.scheduler, attribute.String()); break;
      case svc_attr::kPeName: CopyName(service.engine, attribute.String()); break;
      case svc_attr::kFlags: service.flags = attribute.Value<Flags>().flags; break;
      case svc_attr::kTimeout: service.timeout = attribute.Value<uint32_t>(); break;
      case svc_attr::kNetmask: service.netmask = attribute.Value<uint32_t>(); break;
      case svc_attr::kStats64:
        service.statistics = DecodeStatistics64(attribute.Nested());
        service.present |= kHasStatistics;
        break;
      case svc_attr::kStats:
        if ((service.present & kHasStatistics) == 0) service.statistics = DecodeStatistics32(attribute.Nested());
        break;
      default: break;
    }
  });
  if (!complete) return std::nullopt;
  if (service.family != AF_INET6) service.netmask = __builtin_bswap32(service.netmask);
  return service;
}

std::optional<Server> DecodeServer(View payload) {
  Server server{};
  const bool complete = ForEach(payload, cmd_attr::kDest, [&](AttributeReader& attribute) {
    switch (attribute.type()) {
      case dest_attr::kAddr: CopyAddress(server.address, attribute.payload()); break;
      case dest_attr::kPort: server.port = attribute.Be16(); break;
      case dest_attr::kFwdMethod: server.forwarding = attribute.Value<uint32_t>(); break;
      case dest_attr::kWeight: server.weight = attribute.Value<int32_t>(); break;
      case dest_attr::kUThresh: server.upper_threshold = attribute.Value<uint32_t>(); break;
      case dest_attr::kLThresh: server.lower_threshold = attribute.Value<uint32_t>(); break;
      case dest_attr::kActiveConns: server.active = attribute.Value<uint32_t>(); break;
      case dest_attr::kInactConns: server.inactive = attribute.Value<uint32_t>(); break;
      case dest_attr::kPersistConns: server.persistent = attribute.Value<uint32_t>(); break;
      case dest_attr::kAddrFamily: server.family = attribute.Value<uint16_t>(); break;
      case dest_attr::kTunType:
        server.tunnel_type = attribute.Value<uint8_t>();
        server.present |= kHasTunnel;
        break;
      case dest_attr::kTunPort: server.tunnel_port = attribute.Be16(); break;
      case dest_attr::kTunFlags: server.tunnel_flags = attribute.Value<uint16_t>(); break;
      case dest_attr::kStats64:
        server.statistics = DecodeStatistics64(attribute.Nested());
        server.present |= kHasStatistics;
        break;
      case dest_attr::kStats:
        if ((server.present & kHasStatistics) == 0) server.statistics = DecodeStatistics32(attribute.Nested());
        break;
      default: break;
    }
  });
  if (!complete) return std::nullopt;
  return server;
}

std::optional<Timeouts> DecodeTimeouts(View payload) {
  Timeouts timeouts;
  const bool complete = ForEach(payload, 0, [&](AttributeReader& attribute) {
    switch (attribute.type()) {
      case cmd_attr::kTimeoutTcp: timeouts.tcp = attribute.Value<uint32_t>(); break;
      case cmd_attr::kTimeoutTcpFin: timeouts.tcp_fin = attribute.Value<uint32_t>(); break;
      case cmd_attr::kTimeoutUdp: timeouts.udp = attribute.Value<uint32_t>(); break;
      default: break;
    }
  });
  return complete ? std::optional(timeouts) : std::nullopt;
}

std::optional<Info> DecodeInfo(View payload) {
  Info info;
  const bool complete = ForEach(payload, 0, [&](AttributeReader& attribute) {
    switch (attribute.type()) {
      case info_attr::kVersion: info.version = attribute.Value<uint32_t>(); break;
      case info_attr::kConnTabSize: info.connection_table_size = attribute.Value<uint32_t>(); break;
      default: break;
    }
  });
  return complete ? std::optional(info) : std::nullopt;
}

std::optional<Daemon> DecodeDaemon(View payload) {
  Daemon daemon;
  const bool complete = ForEach(payload, cmd_attr::kDaemon, [&](AttributeReader& attribute) {
    switch (attribute.type()) {
      case daemon_attr::kState: daemon.state = attribute.Value<uint32_t>(); break;
      case daemon_attr::kMcastIfn: daemon.interface = attribute.String(); break;
      case daemon_attr::kSyncId: daemon.sync_id = attribute.Value<uint32_t>(); break;
      case daemon_attr::kSyncMaxlen: daemon.max_length = attribute.Value<uint16_t>(); break;
      case daemon_attr::kMcastGroup:
        daemon.group_family = AF_INET;
        CopyAddress(daemon.group, attribute.payload());
        break;
      case daemon_attr::kMcastGroup6:
        daemon.group_family = AF_INET6;
        CopyAddress(daemon.group, attribute.payload());
        break;
      case daemon_attr::kMcastPort: daemon.port = attribute.Value<uint16_t>(); break;
      case daemon_attr::kMcastTtl: daemon.ttl = attribute.Value<uint8_t>(); break;
      default: break;
    }
  });
  return complete ? std::optional(daemon) : std::nullopt;
}

}  // namespace ipvs
