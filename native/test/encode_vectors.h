// Shared vectors of the encoder tests, written by hand from include/uapi/linux/ip_vs.h and linux/netlink.h: each
// attribute is its length, its type, its value, and padding to four bytes. They were compared with the messages of
// ipvsadm 1.31 (strace -e trace=sendmsg -xx) and sent to Linux 6.1 and 7.2, which carried out all valid ones. Numbers
// are little-endian; "be" in a comment marks a big-endian number.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "ipvs/messages.h"
#include "test/bytes.h"

namespace test {

inline constexpr uint16_t kFamily = 0x25;  // the number that one kernel assigned to IPVS

// Service keys: the first attributes in the nested SERVICE.
inline constexpr char kWebKey[] =
    "0600 0100 0200 0000"   // AF: AF_INET
    "0600 0200 0600 0000"   // PROTOCOL: TCP
    "0800 0300 0a000050"    // ADDR: 10.0.0.80
    "0600 0400 01bb 0000";  // PORT: be 443
inline constexpr char kSixKey[] =
    "0600 0100 0a00 0000"                         // AF: AF_INET6
    "0600 0200 0600 0000"                         // PROTOCOL: TCP
    "1400 0300 20010db8000000000000000000000080"  // ADDR: 2001:db8::80
    "0600 0400 0050 0000";                        // PORT: be 80
inline constexpr char kMarkKey[] =
    "0600 0100 0200 0000"  // AF: AF_INET
    "0800 0500 50000000";  // FWMARK: 80
inline constexpr char kMarkSixKey[] =
    "0600 0100 0a00 0000"  // AF: AF_INET6
    "0800 0500 51000000";  // FWMARK: 81

template <size_t N>
void SetAddress(std::array<uint8_t, N>& to, std::string_view hex) {
  const auto bytes = Hex(hex);
  std::transform(bytes.begin(), bytes.end(), to.begin(), [](std::byte byte) { return std::to_integer<uint8_t>(byte); });
}

template <size_t N>
void SetName(std::array<char, N>& to, std::string_view name) {
  std::copy(name.begin(), name.end(), to.begin());
}

inline ipvs::Service Web() {
  ipvs::Service service{};
  service.family = AF_INET;
  service.protocol = 6;
  SetAddress(service.address, "0a000050");
  service.port = 443;
  return service;
}

inline ipvs::Service Six() {
  ipvs::Service service{};
  service.family = AF_INET6;
  service.protocol = 6;
  SetAddress(service.address, "20010db8000000000000000000000080");
  service.port = 80;
  return service;
}

inline ipvs::Service Mark(uint16_t family, uint32_t mark) {
  ipvs::Service service{};
  service.family = family;
  service.fwmark = mark;
  return service;
}

inline std::string Encoded(ipvs::Command command, const ipvs::Service& service, const ipvs::Server& server = {}) {
  ipvs::Change change{};
  change.command = static_cast<uint32_t>(command);
  change.service = service;
  change.server = server;
  netlink::MessageWriter writer;
  ipvs::EncodeChange(writer, kFamily, change);
  return ToHex(writer.Take().bytes);
}

// Returns the bytes of one message that `encode` writes.
template <typename Encode>
std::string EncodedBy(Encode encode) {
  netlink::MessageWriter writer;
  encode(writer);
  return ToHex(writer.Take().bytes);
}

}  // namespace test
