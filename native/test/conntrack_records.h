// Short constructors for flows and tuples.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "conntrack/record.h"

namespace test {

inline conntrack::Address AddressOf(const char* text) {
  conntrack::Address address{};
  inet_pton(std::strchr(text, ':') != nullptr ? AF_INET6 : AF_INET, text, address.data());
  return address;
}

// Returns a tuple with addresses and a protocol, but without ports, as for ICMP.
inline conntrack::Tuple PortlessTuple(const char* source, const char* destination, uint8_t protocol) {
  conntrack::Tuple tuple;
  tuple.family = std::strchr(source, ':') != nullptr ? AF_INET6 : AF_INET;
  tuple.source = AddressOf(source);
  tuple.destination = AddressOf(destination);
  tuple.protocol = protocol;
  tuple.present = conntrack::kHasSource | conntrack::kHasDestination | conntrack::kHasProtocol;
  return tuple;
}

inline conntrack::Tuple TupleOf(const char* source, uint16_t source_port, const char* destination,
                                uint16_t destination_port, uint8_t protocol = IPPROTO_TCP) {
  conntrack::Tuple tuple = PortlessTuple(source, destination, protocol);
  tuple.source_port = source_port;
  tuple.destination_port = destination_port;
  tuple.present |= conntrack::kHasSourcePort | conntrack::kHasDestinationPort;
  return tuple;
}

inline conntrack::Tuple IcmpTuple(const char* source, const char* destination, uint8_t protocol, uint16_t id,
                                  uint8_t type) {
  conntrack::Tuple tuple = PortlessTuple(source, destination, protocol);
  tuple.icmp_id = id;
  tuple.icmp_type = type;
  tuple.present |= conntrack::kHasIcmp;
  return tuple;
}

inline conntrack::Tuple Reversed(conntrack::Tuple tuple) {
  std::swap(tuple.source, tuple.destination);
  std::swap(tuple.source_port, tuple.destination_port);
  return tuple;
}

inline conntrack::Flow FlowOf(const conntrack::Tuple& original, const conntrack::Tuple& reply) {
  conntrack::Flow flow;
  flow.original = original;
  flow.reply = reply;
  flow.present = conntrack::kOriginal | conntrack::kReply;
  return flow;
}

inline conntrack::Flow FlowOf(const conntrack::Tuple& original) { return FlowOf(original, Reversed(original)); }

inline void SetName(conntrack::Name& to, std::string_view name) { std::memcpy(to.data(), name.data(), name.size()); }

}  // namespace test
