// Services, servers and connections as fixed records. JavaScript gets them unchanged, many in one ArrayBuffer;
// src/linux/ipvs/layout.ts has the same offsets (test/unit/ipvs-records.test.ts compares them).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ipvs {

static_assert(std::endian::native == std::endian::little, "records are little-endian");

using Address = std::array<uint8_t, 16>;  // IPv4 in the first four bytes
using Name = std::array<char, 16>;        // NUL-terminated

// Statistics in the order of the attributes of IPVS_SVC_ATTR_STATS64.
using Statistics = std::array<uint64_t, 10>;

inline constexpr uint32_t kHasStatistics = 1;
inline constexpr uint32_t kHasTunnel = 2;  // this kernel knows tunnel types (5.3 and later)

struct Service {
  Address address;
  uint32_t fwmark;  // 0: identified by protocol, address and port
  uint16_t family;  // AF_INET, AF_INET6
  uint16_t protocol;
  uint16_t port;
  Name scheduler;
  Name engine;
  uint16_t unused;
  uint32_t flags;
  uint32_t flags_mask;  // of a change: the flags that it sets or clears
  uint32_t timeout;     // of persistence, seconds
  uint32_t netmask;     // IPv4: the mask; IPv6: the prefix length
  uint32_t present;
  Statistics statistics;
};

struct Server {
  Address address;
  uint16_t family;
  uint16_t port;
  uint32_t forwarding;
  int32_t weight;
  uint32_t upper_threshold;
  uint32_t lower_threshold;
  uint32_t active;
  uint32_t inactive;
  uint32_t persistent;
  uint8_t tunnel_type;
  uint8_t unused;
  uint16_t tunnel_port;
  uint16_t tunnel_flags;
  uint16_t unused2;
  uint32_t present;
  uint32_t service;  // in a table: the index of its service
  Statistics statistics;
};

// One change of the table. Only commands for servers use `server`.
struct Change {
  uint32_t command;
  uint32_t unused;
  Service service;
  Server server;
};

// A change as JavaScript sends it: both records without the statistics at their ends.
struct PackedChange {
  uint32_t command;
  uint32_t unused;
  std::array<std::byte, offsetof(Service, statistics)> service;
  std::array<std::byte, offsetof(Server, statistics)> server;
};

inline Change Unpack(const PackedChange& packed) {
  Change change{};
  change.command = packed.command;
  std::memcpy(&change.service, packed.service.data(), packed.service.size());
  std::memcpy(&change.server, packed.server.data(), packed.server.size());
  return change;
}

// A line of /proc/net/ip_vs_conn. The data of the persistence engines follows all records.
struct Connection {
  Address client;
  Address virtual_address;
  Address server;
  uint16_t family;
  uint16_t server_family;
  uint16_t client_port;
  uint16_t virtual_port;
  uint16_t server_port;
  uint16_t unused;
  uint32_t expires;  // seconds
  std::array<char, 16> protocol;
  std::array<char, 24> state;
  Name engine;
  uint32_t engine_data_offset;
  uint32_t engine_data_length;
};

static_assert(sizeof(Service) == 160 && sizeof(Server) == 144 && sizeof(PackedChange) == 152 &&
              sizeof(Connection) == 128);
static_assert(std::is_trivially_copyable_v<Change> && std::is_trivially_copyable_v<Connection>);

}  // namespace ipvs
