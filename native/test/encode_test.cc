// Tests the encoding of requests that read, and of those for timeouts and the sync daemon.
#include <doctest/doctest.h>

#include "test/encode_vectors.h"

using ipvs::Command;
using ipvs::Daemon;
using netlink::MessageWriter;
using test::EncodedBy;
using test::kFamily;
using test::kMarkKey;
using test::kMarkSixKey;
using test::kSixKey;
using test::kWebKey;
using test::Mark;
using test::Same;
using test::Six;
using test::Web;

namespace {

std::string GetService(const ipvs::Service& key) {
  return EncodedBy([&](MessageWriter& writer) { ipvs::EncodeGetService(writer, kFamily, key); });
}

std::string DumpServers(const ipvs::Service& key) {
  return EncodedBy([&](MessageWriter& writer) { ipvs::EncodeDumpServers(writer, kFamily, key); });
}

std::string Plain(Command command, uint16_t flags) {
  return EncodedBy([&](MessageWriter& writer) { ipvs::EncodePlain(writer, kFamily, command, flags); });
}

std::string OfDaemon(Command command, const Daemon& daemon) {
  return EncodedBy([&](MessageWriter& writer) { ipvs::EncodeDaemon(writer, kFamily, command, daemon); });
}

}  // namespace

TEST_CASE("GET_SERVICE of one service") {
  CHECK(GetService(Web()) == Same(std::string("38000000 2500 0500 00000000 00000000"  // REQUEST | ACK
                                              "04 01 0000"                            // GET_SERVICE, version 1
                                              "2400 0180") +                          // SERVICE: nested, 4 + 32
                                  kWebKey));
  CHECK(GetService(Six()) == Same(std::string("44000000 2500 0500 00000000 00000000 04 01 0000 3000 0180") + kSixKey));
  CHECK(GetService(Mark(AF_INET, 80)) ==
        Same(std::string("28000000 2500 0500 00000000 00000000 04 01 0000 1400 0180") + kMarkKey));
  CHECK(GetService(Mark(AF_INET6, 81)) ==
        Same(std::string("28000000 2500 0500 00000000 00000000 04 01 0000 1400 0180") + kMarkSixKey));
}

TEST_CASE("GET_DEST, a dump of the servers of one service") {
  CHECK(DumpServers(Web()) == Same(std::string("38000000 2500 0103 00000000 00000000"  // REQUEST | ROOT | MATCH
                                               "08 01 0000"                            // GET_DEST, version 1
                                               "2400 0180") +                          // SERVICE: nested, 4 + 32
                                   kWebKey));
  // ipvsadm sends the same request, but also sets NLM_F_ACK.
  CHECK(DumpServers(Six()) == Same(std::string("44000000 2500 0103 00000000 00000000 08 01 0000 3000 0180") + kSixKey));
  CHECK(DumpServers(Mark(AF_INET, 80)) ==
        Same(std::string("28000000 2500 0103 00000000 00000000 08 01 0000 1400 0180") + kMarkKey));
  CHECK(DumpServers(Mark(AF_INET6, 81)) ==
        Same(std::string("28000000 2500 0103 00000000 00000000 08 01 0000 1400 0180") + kMarkSixKey));
}

TEST_CASE("requests without attributes") {
  CHECK(Plain(Command::kGetService, NLM_F_DUMP) == Same("14000000 2500 0103 00000000 00000000 04 01 0000"));
  CHECK(Plain(Command::kGetDaemon, NLM_F_DUMP) == Same("14000000 2500 0103 00000000 00000000 0b 01 0000"));
  CHECK(Plain(Command::kGetConfig, NLM_F_ACK) == Same("14000000 2500 0500 00000000 00000000 0d 01 0000"));
  CHECK(Plain(Command::kGetInfo, NLM_F_ACK) == Same("14000000 2500 0500 00000000 00000000 0f 01 0000"));
}

TEST_CASE("SET_CONFIG: ipvsadm --set 901 121 301") {
  CHECK(EncodedBy([](MessageWriter& writer) {
          ipvs::EncodeSetTimeouts(writer, kFamily, {901, 121, 301});
        }) == Same("2c000000 2500 0500 00000000 00000000"
                   "0c 01 0000"             // SET_CONFIG
                   "0800 0400 85030000"     // TIMEOUT_TCP: 901 s
                   "0800 0500 79000000"     // TIMEOUT_TCP_FIN: 121 s
                   "0800 0600 2d010000"));  // TIMEOUT_UDP: 301 s
}

TEST_CASE("NEW_DAEMON, with all there is to say") {
  Daemon daemon;
  daemon.state = 1;
  daemon.interface = "dum0";
  daemon.sync_id = 7;
  daemon.max_length = 1400;
  daemon.group_family = AF_INET;
  test::SetAddress(daemon.group, "e0000052");
  daemon.port = 8850;
  daemon.ttl = 3;
  CHECK(OfDaemon(Command::kNewDaemon, daemon) == Same("54000000 2500 0500 00000000 00000000"
                                                      "09 01 0000"                   // NEW_DAEMON
                                                      "4000 0380"                    // DAEMON: nested, 4 + 60
                                                      "0800 0100 01000000"           // STATE: master
                                                      "0900 0200 64756d30 00000000"  // MCAST_IFN: "dum0"
                                                      "0800 0300 07000000"           // SYNC_ID: 7
                                                      "0600 0400 7805 0000"          // SYNC_MAXLEN: 1400
                                                      "0800 0500 e0000052"           // MCAST_GROUP: 224.0.0.82
                                                      "0600 0700 9222 0000"          // MCAST_PORT: 8850, in host order
                                                      "0500 0800 03 000000"));       // MCAST_TTL: 3
}

TEST_CASE("NEW_DAEMON with an IPv6 group: ipvsadm --start-daemon backup ... --mcast-group ff02::82") {
  Daemon daemon;
  daemon.state = 2;
  daemon.interface = "dum0";
  daemon.sync_id = 8;
  daemon.group_family = AF_INET6;
  test::SetAddress(daemon.group, "ff020000000000000000000000000082");
  CHECK(OfDaemon(Command::kNewDaemon, daemon) ==
        Same("48000000 2500 0500 00000000 00000000"
             "09 01 0000"                                     // NEW_DAEMON
             "3400 0380"                                      // DAEMON: nested, 4 + 48
             "0800 0100 02000000"                             // STATE: backup
             "0900 0200 64756d30 00000000"                    // MCAST_IFN: "dum0"
             "0800 0300 08000000"                             // SYNC_ID: 8
             "1400 0600 ff020000000000000000000000000082"));  // MCAST_GROUP6: ff02::82
}

TEST_CASE("NEW_DAEMON leaves to the kernel what is not said, but always sends the sync id") {
  Daemon daemon;
  daemon.state = 1;
  daemon.interface = "lo";
  CHECK(OfDaemon(Command::kNewDaemon, daemon) == Same("30000000 2500 0500 00000000 00000000"
                                                      "09 01 0000"             // NEW_DAEMON
                                                      "1c00 0380"              // DAEMON: nested, 4 + 24
                                                      "0800 0100 01000000"     // STATE: master
                                                      "0700 0200 6c6f00 00"    // MCAST_IFN: "lo"
                                                      "0800 0300 00000000"));  // SYNC_ID: 0
}

TEST_CASE("DEL_DAEMON says which of the two") {
  Daemon daemon;
  daemon.state = 2;
  daemon.interface = "dum0";
  daemon.sync_id = 8;
  CHECK(OfDaemon(Command::kDelDaemon, daemon) == Same("20000000 2500 0500 00000000 00000000"
                                                      "0a 01 0000"             // DEL_DAEMON
                                                      "0c00 0380"              // DAEMON: nested, 4 + 8
                                                      "0800 0100 02000000"));  // STATE: backup
}
