// Tests the encoding of requests that change services and servers.
#include <doctest/doctest.h>

#include "test/encode_vectors.h"

using ipvs::Command;
using ipvs::Server;
using ipvs::Service;
using test::Encoded;
using test::kMarkKey;
using test::kMarkSixKey;
using test::kSixKey;
using test::kWebKey;
using test::Mark;
using test::Same;
using test::SetAddress;
using test::SetName;
using test::Six;
using test::Web;

namespace {

std::string Join(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const auto part : parts) all += part;
  return Same(all);
}

Service WithSettings(Service service, std::string_view scheduler, uint32_t flags, uint32_t timeout, uint32_t netmask) {
  SetName(service.scheduler, scheduler);
  service.flags = flags;
  service.flags_mask = 0xffffffff;
  service.timeout = timeout;
  service.netmask = netmask;
  return service;
}

Server ServerFour(std::string_view address, uint16_t port, uint32_t forwarding, int32_t weight) {
  Server server{};
  server.family = AF_INET;
  SetAddress(server.address, address);
  server.port = port;
  server.forwarding = forwarding;
  server.weight = weight;
  return server;
}

Server ServerSix(std::string_view address, uint16_t port, uint32_t forwarding, int32_t weight) {
  Server server = ServerFour(address, port, forwarding, weight);
  server.family = AF_INET6;
  return server;
}

}  // namespace

TEST_CASE("NEW_SERVICE, IPv4") {
  CHECK(Encoded(Command::kNewService, WithSettings(Web(), "wrr", 1, 360, 0xffffff00)) ==
        Join({"5c000000 2500 0500 00000000 00000000",  // 92 bytes, IPVS, REQUEST | ACK
              "01 01 0000",                            // NEW_SERVICE, version 1
              "4800 0180",                             // SERVICE: nested, 4 + 32 + 36
              kWebKey,
              "0800 0600 77727200",           // SCHED_NAME: "wrr"
              "0c00 0700 01000000 ffffffff",  // FLAGS: persistent; mask: all
              "0800 0800 68010000",           // TIMEOUT: 360 s
              "0800 0900 ffffff00"}));        // NETMASK: be 255.255.255.0
}

// The next four requests have exactly the bytes that ipvsadm sends, except for the sequence and port numbers (and
// ipvsadm sends 16 bytes for an IPv4 address).
TEST_CASE("NEW_SERVICE, IPv6: ipvsadm -A -t [2001:db8::80]:80 -s sh -b sh-fallback,sh-port") {
  CHECK(Encoded(Command::kNewService, WithSettings(Six(), "sh", 0x18, 0, 128)) ==
        Join({"68000000 2500 0500 00000000 00000000", "01 01 0000",
              "5400 0180",  // SERVICE: nested, 4 + 44 + 36
              kSixKey,
              "0700 0600 736800 00",          // SCHED_NAME: "sh"
              "0c00 0700 18000000 ffffffff",  // FLAGS: sched-1, sched-2
              "0800 0800 00000000",           // TIMEOUT: none
              "0800 0900 80000000"}));        // NETMASK: a prefix length, in host order
}

TEST_CASE("NEW_SERVICE, mark for IPv4: ipvsadm -A -f 80 -s lc") {
  CHECK(Encoded(Command::kNewService, WithSettings(Mark(AF_INET, 80), "lc", 0, 0, 0xffffffff)) ==
        Join({"4c000000 2500 0500 00000000 00000000", "01 01 0000",
              "3800 0180",  // SERVICE: nested, 4 + 16 + 36
              kMarkKey,
              "0700 0600 6c6300 00",          // SCHED_NAME: "lc"
              "0c00 0700 00000000 ffffffff",  // FLAGS: none; mask: all
              "0800 0800 00000000",           // TIMEOUT: none
              "0800 0900 ffffffff"}));        // NETMASK: be 255.255.255.255
}

TEST_CASE("NEW_SERVICE, mark for IPv6: ipvsadm -A -f 81 -6 -s mh -p 120 -M 64") {
  CHECK(Encoded(Command::kNewService, WithSettings(Mark(AF_INET6, 81), "mh", 1, 120, 64)) ==
        Join({"4c000000 2500 0500 00000000 00000000", "01 01 0000",
              "3800 0180",  // SERVICE: nested, 4 + 16 + 36
              kMarkSixKey,
              "0700 0600 6d6800 00",          // SCHED_NAME: "mh"
              "0c00 0700 01000000 ffffffff",  // FLAGS: persistent
              "0800 0800 78000000",           // TIMEOUT: 120 s
              "0800 0900 40000000"}));        // NETMASK: a prefix of 64
}

TEST_CASE("NEW_SERVICE with a persistence engine") {
  Service service = WithSettings(Web(), "rr", 1, 60, 0xffffffff);
  service.protocol = 17;
  SetAddress(service.address, "0a00003c");
  service.port = 5060;
  SetName(service.engine, "sip");
  CHECK(Encoded(Command::kNewService, service) == Join({"64000000 2500 0500 00000000 00000000", "01 01 0000",
                                                        "5000 0180",                    // SERVICE: nested, 4 + 32 + 44
                                                        "0600 0100 0200 0000",          // AF: AF_INET
                                                        "0600 0200 1100 0000",          // PROTOCOL: UDP
                                                        "0800 0300 0a00003c",           // ADDR: 10.0.0.60
                                                        "0600 0400 13c4 0000",          // PORT: be 5060
                                                        "0700 0600 727200 00",          // SCHED_NAME: "rr"
                                                        "0800 0b00 73697000",           // PE_NAME: "sip"
                                                        "0c00 0700 01000000 ffffffff",  // FLAGS: persistent
                                                        "0800 0800 3c000000",           // TIMEOUT: 60 s
                                                        "0800 0900 ffffffff"}));        // NETMASK: be
}

TEST_CASE("SET_SERVICE carries only the flags it names, and the highest mark there is") {
  Service service = WithSettings(Mark(AF_INET, 0xffffffff), "rr", 4, 0, 0xffffffff);
  service.flags_mask = 5;
  CHECK(Encoded(Command::kSetService, service) == Join({"4c000000 2500 0500 00000000 00000000", "02 01 0000",
                                                        "3800 0180",                    // SERVICE: nested, 4 + 16 + 36
                                                        "0600 0100 0200 0000",          // AF: AF_INET
                                                        "0800 0500 ffffffff",           // FWMARK: 4294967295
                                                        "0700 0600 727200 00",          // SCHED_NAME: "rr"
                                                        "0c00 0700 04000000 05000000",  // FLAGS: ops; not persistent
                                                        "0800 0800 00000000",           // TIMEOUT: none
                                                        "0800 0900 ffffffff"}));        // NETMASK: be
}

TEST_CASE("a name that fills its field is cut before the last byte, and ends in a NUL") {
  Service service = WithSettings(Mark(AF_INET, 80), "abcdefghijklmnop", 0, 0, 0);
  CHECK(Encoded(Command::kSetService, service) ==
        Join({"58000000 2500 0500 00000000 00000000", "02 01 0000",
              "4400 0180",  // SERVICE: nested, 4 + 16 + 48
              kMarkKey,
              "1400 0600 6162636465666768696a6b6c6d6e6f00",  // SCHED_NAME: 15 characters
              "0c00 0700 00000000 ffffffff",                 // FLAGS
              "0800 0800 00000000",                          // TIMEOUT
              "0800 0900 00000000"}));                       // NETMASK
}

TEST_CASE("DEL_SERVICE names its service, and nothing else") {
  const Service service = WithSettings(Web(), "wrr", 1, 360, 0xffffff00);
  CHECK(Encoded(Command::kDelService, service) ==
        Join({"38000000 2500 0500 00000000 00000000", "03 01 0000", "2400 0180", kWebKey}));
  CHECK(Encoded(Command::kDelService, Six()) ==
        Join({"44000000 2500 0500 00000000 00000000", "03 01 0000", "3000 0180", kSixKey}));
  CHECK(Encoded(Command::kDelService, Mark(AF_INET, 80)) ==
        Join({"28000000 2500 0500 00000000 00000000", "03 01 0000", "1400 0180", kMarkKey}));
  CHECK(Encoded(Command::kDelService, Mark(AF_INET6, 81)) ==
        Join({"28000000 2500 0500 00000000 00000000", "03 01 0000", "1400 0180", kMarkSixKey}));
}

TEST_CASE("NEW_DEST by NAT, with thresholds") {
  Server server = ServerFour("c0a80101", 8443, 0, 3);
  server.upper_threshold = 100;
  server.lower_threshold = 50;
  server.tunnel_type = 1;  // ignored for this forwarding method, and not sent
  CHECK(Encoded(Command::kNewDest, Web(), server) ==
        Join({"74000000 2500 0500 00000000 00000000", "05 01 0000", "2400 0180", kWebKey,
              "3c00 0280",              // DEST: nested, 4 + 56
              "0800 0100 c0a80101",     // ADDR: 192.168.1.1
              "0600 0200 20fb 0000",    // PORT: be 8443
              "0600 0b00 0200 0000",    // ADDR_FAMILY: AF_INET
              "0800 0300 00000000",     // FWD_METHOD: NAT
              "0800 0400 03000000",     // WEIGHT: 3
              "0800 0500 64000000",     // U_THRESH: 100
              "0800 0600 32000000"}));  // L_THRESH: 50
}

TEST_CASE("NEW_DEST, direct, IPv6") {
  CHECK(Encoded(Command::kNewDest, Six(), ServerSix("20010db8000000000000000000000001", 80, 3, 2)) ==
        Join({"8c000000 2500 0500 00000000 00000000", "05 01 0000", "3000 0180", kSixKey,
              "4800 0280",                                   // DEST: nested, 4 + 68
              "1400 0100 20010db8000000000000000000000001",  // ADDR: 2001:db8::1
              "0600 0200 0050 0000",                         // PORT: be 80
              "0600 0b00 0a00 0000",                         // ADDR_FAMILY: AF_INET6
              "0800 0300 03000000",                          // FWD_METHOD: direct
              "0800 0400 02000000",                          // WEIGHT: 2
              "0800 0500 00000000",                          // U_THRESH
              "0800 0600 00000000"}));                       // L_THRESH
}

TEST_CASE("NEW_DEST of a mark: the client's port is kept") {
  CHECK(Encoded(Command::kNewDest, Mark(AF_INET, 80), ServerFour("c0a80165", 0, 3, 1)) ==
        Join({"64000000 2500 0500 00000000 00000000", "05 01 0000", "1400 0180", kMarkKey,
              "3c00 0280",              // DEST: nested, 4 + 56
              "0800 0100 c0a80165",     // ADDR: 192.168.1.101
              "0600 0200 0000 0000",    // PORT: be 0
              "0600 0b00 0200 0000",    // ADDR_FAMILY: AF_INET
              "0800 0300 03000000",     // FWD_METHOD: direct
              "0800 0400 01000000",     // WEIGHT: 1
              "0800 0500 00000000",     // U_THRESH
              "0800 0600 00000000"}));  // L_THRESH
}

TEST_CASE("NEW_DEST by tunnel, of every type, and of the other family") {
  Server server = ServerFour("c0a80103", 443, 2, 65535);
  std::string address = "0800 0100 c0a80103";  // ADDR: 192.168.1.3
  std::string family = "0600 0b00 0200 0000";  // ADDR_FAMILY: AF_INET
  std::string length = "8c000000";             // 140
  std::string nested = "5400 0280";            // DEST: nested, 4 + 80
  std::string tunnel =
      "0500 0d00 00 000000"   // TUN_TYPE: ipip
      "0600 0e00 0000 0000"   // TUN_PORT: be 0
      "0600 0f00 0000 0000";  // TUN_FLAGS: none
  SUBCASE("ipip") {}
  SUBCASE("gue with remote checksum offload") {
    server.tunnel_type = 1;
    server.tunnel_port = 6080;
    server.tunnel_flags = 2;
    tunnel =
        "0500 0d00 01 000000"   // TUN_TYPE: gue
        "0600 0e00 17c0 0000"   // TUN_PORT: be 6080
        "0600 0f00 0200 0000";  // TUN_FLAGS: remcsum
  }
  SUBCASE("gre with checksums") {
    server.tunnel_type = 2;
    server.tunnel_flags = 1;
    tunnel =
        "0500 0d00 02 000000"   // TUN_TYPE: gre
        "0600 0e00 0000 0000"   // TUN_PORT: be 0
        "0600 0f00 0100 0000";  // TUN_FLAGS: csum
  }
  SUBCASE("an IPv6 server of an IPv4 service") {
    server = ServerSix("20010db8000000000000000000000004", 443, 2, 65535);
    length = "98000000";                                     // 152
    nested = "6000 0280";                                    // DEST: nested, 4 + 92
    address = "1400 0100 20010db8000000000000000000000004";  // ADDR: 2001:db8::4
    family = "0600 0b00 0a00 0000";                          // ADDR_FAMILY: AF_INET6
  }
  CHECK(Encoded(Command::kNewDest, Web(), server) ==
        Join({length, "2500 0500 00000000 00000000", "05 01 0000", "2400 0180", kWebKey, nested, address,
              "0600 0200 01bb 0000",  // PORT: be 443
              family,
              "0800 0300 02000000",  // FWD_METHOD: tunnel
              "0800 0400 ffff0000",  // WEIGHT: 65535
              "0800 0500 00000000",  // U_THRESH
              "0800 0600 00000000",  // L_THRESH
              tunnel}));
}

TEST_CASE("SET_DEST sends all settings, also those that are 0") {
  CHECK(Encoded(Command::kSetDest, Mark(AF_INET6, 81), ServerSix("20010db8000000000000000000000002", 0, 2, 0)) ==
        Join({"88000000 2500 0500 00000000 00000000", "06 01 0000", "1400 0180", kMarkSixKey,
              "6000 0280",                                   // DEST: nested, 4 + 92
              "1400 0100 20010db8000000000000000000000002",  // ADDR: 2001:db8::2
              "0600 0200 0000 0000",                         // PORT: be 0
              "0600 0b00 0a00 0000",                         // ADDR_FAMILY: AF_INET6
              "0800 0300 02000000",                          // FWD_METHOD: tunnel
              "0800 0400 00000000",                          // WEIGHT: 0
              "0800 0500 00000000",                          // U_THRESH
              "0800 0600 00000000",                          // L_THRESH
              "0500 0d00 00 000000",                         // TUN_TYPE: ipip
              "0600 0e00 0000 0000",                         // TUN_PORT: be 0
              "0600 0f00 0000 0000"}));                      // TUN_FLAGS: none
}

TEST_CASE("DEL_DEST names its server by address, port and family only") {
  CHECK(Encoded(Command::kDelDest, Web(), ServerFour("c0a80101", 8443, 2, 3)) ==
        Join({"54000000 2500 0500 00000000 00000000", "07 01 0000", "2400 0180", kWebKey,
              "1c00 0280",               // DEST: nested, 4 + 24
              "0800 0100 c0a80101",      // ADDR: 192.168.1.1
              "0600 0200 20fb 0000",     // PORT: be 8443
              "0600 0b00 0200 0000"}));  // ADDR_FAMILY: AF_INET
  CHECK(Encoded(Command::kDelDest, Web(), ServerSix("20010db8000000000000000000000004", 443, 2, 1)) ==
        Join({"60000000 2500 0500 00000000 00000000", "07 01 0000", "2400 0180", kWebKey,
              "2800 0280",                                   // DEST: nested, 4 + 36
              "1400 0100 20010db8000000000000000000000004",  // ADDR: 2001:db8::4
              "0600 0200 01bb 0000",                         // PORT: be 443
              "0600 0b00 0a00 0000"}));                      // ADDR_FAMILY: AF_INET6
}

TEST_CASE("ZERO of one service, ZERO of all, FLUSH") {
  CHECK(Encoded(Command::kZero, Web()) ==
        Join({"38000000 2500 0500 00000000 00000000", "10 01 0000", "2400 0180", kWebKey}));
  CHECK(Encoded(Command::kZero, {}) == Join({"14000000 2500 0500 00000000 00000000", "10 01 0000"}));
  CHECK(Encoded(Command::kFlush, {}) == Join({"14000000 2500 0500 00000000 00000000", "11 01 0000"}));
}

TEST_CASE("a mark of 0 is not sent: the kernel would read TCP 0.0.0.0:0") {
  CHECK(Encoded(Command::kDelService, Mark(AF_INET, 0)) ==
        Join({"38000000 2500 0500 00000000 00000000", "03 01 0000", "2400 0180",
              "0600 0100 0200 0000",     // AF: AF_INET
              "0600 0200 0000 0000",     // PROTOCOL: 0
              "0800 0300 00000000",      // ADDR
              "0600 0400 0000 0000"}));  // PORT
}

TEST_CASE("changes of one batch stand back to back") {
  netlink::MessageWriter writer;
  ipvs::Change change{};
  change.command = static_cast<uint32_t>(Command::kDelService);
  for (const Service& service : {Web(), Mark(AF_INET, 80), Six()}) {
    change.service = service;
    ipvs::EncodeChange(writer, test::kFamily, change);
  }
  const netlink::Batch batch = writer.Take();
  CHECK(batch.offsets == std::vector<uint32_t>{0, 56, 96});
  CHECK(test::ToHex(batch.bytes) == Encoded(Command::kDelService, Web()) +
                                        Encoded(Command::kDelService, Mark(AF_INET, 80)) +
                                        Encoded(Command::kDelService, Six()));
}
