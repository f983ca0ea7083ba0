// Encodes and decodes messages of IPVS (net/netfilter/ipvs/ip_vs_ctl.c).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "ipvs/protocol.h"
#include "ipvs/record.h"
#include "netlink/message_reader.h"
#include "netlink/message_writer.h"

namespace ipvs {

struct Timeouts {  // seconds; 0 in a request: keep the current value
  uint32_t tcp = 0;
  uint32_t tcp_fin = 0;
  uint32_t udp = 0;
};

struct Info {
  uint32_t version = 0;  // 0xMMmmpp
  uint32_t connection_table_size = 0;
};

struct Daemon {
  uint32_t state = 0;  // 1 master, 2 backup
  std::string interface;
  uint32_t sync_id = 0;
  // Optional in a request: for 0 the kernel chooses the value.
  uint16_t max_length = 0;
  uint16_t group_family = 0;
  Address group{};
  uint16_t port = 0;
  uint8_t ttl = 0;
};

// Each appends one request. `flags` are added to NLM_F_REQUEST.
void EncodeChange(netlink::MessageWriter& writer, uint16_t family, const Change& change);
void EncodeGetService(netlink::MessageWriter& writer, uint16_t family, const Service& key);
void EncodeDumpServers(netlink::MessageWriter& writer, uint16_t family, const Service& key);
void EncodePlain(netlink::MessageWriter& writer, uint16_t family, Command command, uint16_t flags);
void EncodeSetTimeouts(netlink::MessageWriter& writer, uint16_t family, const Timeouts& timeouts);
void EncodeDaemon(netlink::MessageWriter& writer, uint16_t family, Command command, const Daemon& daemon);

// Each decodes the payload of a reply, which starts with the genlmsghdr; returns nullopt if it is malformed.
std::optional<Service> DecodeService(netlink::View payload);
std::optional<Server> DecodeServer(netlink::View payload);
std::optional<Timeouts> DecodeTimeouts(netlink::View payload);
std::optional<Info> DecodeInfo(netlink::View payload);
std::optional<Daemon> DecodeDaemon(netlink::View payload);

}  // namespace ipvs
