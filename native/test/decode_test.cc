// Tests with real replies of Linux 6.1 and 7.2, for the table that record-replies.py creates.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <string>

#include "ipvs/messages.h"
#include "netlink/generic_family.h"
#include "test/bytes.h"
#include "test/encode_vectors.h"
#include "test/replies.h"

using ipvs::Server;
using ipvs::Service;
using replies::Recording;
using test::Hex;

namespace {

ipvs::Address AddressOf(std::string_view hex) {
  ipvs::Address address{};
  test::SetAddress(address, hex);
  return address;
}

std::string KeyOf(const Service& service) {
  if (service.fwmark != 0) return "mark " + std::to_string(service.fwmark);
  return std::to_string(service.protocol) + " " + test::ToHex(std::as_bytes(std::span(service.address))) + " " +
         std::to_string(service.port);
}

// Decodes all services of a dump, by their keys: the kernel's order is that of its hash table.
std::map<std::string, Service> Services(const Recording& recording) {
  std::map<std::string, Service> services;
  for (const auto& payload : test::Payloads(Hex(recording.services), recording.family)) {
    const auto service = ipvs::DecodeService(payload);
    REQUIRE(service);
    services[KeyOf(*service)] = *service;
  }
  return services;
}

std::map<std::string, Server> Servers(const Recording& recording, const char* answer) {
  std::map<std::string, Server> servers;
  for (const auto& payload : test::Payloads(Hex(answer), recording.family)) {
    const auto server = ipvs::DecodeServer(payload);
    REQUIRE(server);
    CHECK(server->present == (ipvs::kHasStatistics | ipvs::kHasTunnel));
    servers[test::ToHex(std::as_bytes(std::span(server->address)).first(server->family == AF_INET6 ? 16 : 4))] =
        *server;
  }
  return servers;
}

void CheckService(const Service& service, uint16_t family, const char* scheduler, uint32_t flags, uint32_t timeout,
                  uint32_t netmask) {
  CAPTURE(KeyOf(service));
  CHECK(service.family == family);
  CHECK(std::string(service.scheduler.data()) == scheduler);
  CHECK(service.flags == flags);
  CHECK(service.timeout == timeout);
  CHECK(service.netmask == netmask);
  CHECK(service.present == ipvs::kHasStatistics);
}

template <typename Record>
void CheckCounters(const Record& record, uint64_t connections, uint64_t packets_in, uint64_t packets_out,
                   uint64_t bytes_in, uint64_t bytes_out) {
  CHECK(record.statistics[0] == connections);
  CHECK(record.statistics[1] == packets_in);
  CHECK(record.statistics[2] == packets_out);
  CHECK(record.statistics[3] == bytes_in);
  CHECK(record.statistics[4] == bytes_out);
}

netlink::Acknowledgement AcknowledgementOf(const char* answer) {
  const auto bytes = Hex(answer);
  netlink::MessageReader reader(bytes);
  netlink::Message message;
  REQUIRE(reader.Next(message));
  REQUIRE(message.header.nlmsg_type == NLMSG_ERROR);
  const auto result = netlink::ReadAcknowledgement(message);
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("GETFAMILY") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    const auto payloads = test::Payloads(Hex(recording.get_family), 0x10);
    REQUIRE(payloads.size() == 1);
    auto family = netlink::DecodeFamily(payloads[0]);
    REQUIRE(family.ok());
    CHECK(family.value() == recording.family);
    CHECK(AcknowledgementOf(recording.no_such_family).code == ENOENT);
  }
}

TEST_CASE("GETFAMILY without a number, or with one that no family has, is malformed") {
  for (const char* payload : {"", "0101", "01020000", "01020000 0600 0100 0f00 0000", "01020000 0500 0100 20 000000",
                              "01020000 0600 0100 2000 0000 ffff 0200"}) {
    CAPTURE(payload);
    const auto family = netlink::DecodeFamily(Hex(payload));
    REQUIRE_FALSE(family.ok());
    CHECK(family.failure().code == EBADMSG);
  }
}

TEST_CASE("a dump of services") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    auto services = Services(recording);
    REQUIRE(services.size() == 9);
    constexpr uint32_t kHashed = 2;
    CheckService(services.at("6 0a000050000000000000000000000000 443"), AF_INET, "wrr", kHashed | 1, 360, 0xffffff00);
    CheckService(services.at("17 0a00003c000000000000000000000000 5060"), AF_INET, "rr", kHashed | 1, 60, 0xffffffff);
    CheckService(services.at("17 0a000035000000000000000000000000 53"), AF_INET, "rr", kHashed | 4, 0, 0xffffffff);
    CheckService(services.at("132 0a00005a000000000000000000000000 9"), AF_INET, "nq", kHashed, 0, 0xffffffff);
    CheckService(services.at("6 20010db8000000000000000000000080 80"), AF_INET6, "sh", kHashed | 0x18, 0, 128);
    CheckService(services.at("mark 80"), AF_INET, "lc", kHashed, 0, 0xffffffff);
    CheckService(services.at("mark 4294967295"), AF_INET6, "mh", kHashed | 9, 120, 64);
    CheckService(services.at("6 7f000001000000000000000000000000 8000"), AF_INET, "rr", kHashed, 0, 0xffffffff);
    CheckService(services.at("6 00000000000000000000000000000001 8000"), AF_INET6, "rr", kHashed, 0, 128);
    for (const auto& [key, service] : services) {
      const auto& named = key;  // clang 14 captures no structured binding
      CAPTURE(named);
      CHECK(std::string(service.engine.data()) == (service.port == 5060 ? "sip" : ""));
    }
  }
}

TEST_CASE("a mark's service has neither protocol nor address nor port") {
  for (const auto& recording : replies::kRecordings) {
    const Service service = Services(recording).at("mark 80");
    CHECK(service.protocol == 0);
    CHECK(service.address == ipvs::Address{});
    CHECK(service.port == 0);
  }
}

TEST_CASE("counters, as ipvsadm --stats showed them") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    auto services = Services(recording);
    CheckCounters(services.at("6 7f000001000000000000000000000000 8000"), 3, 12, 12, 648, 3648);
    CheckCounters(services.at("6 00000000000000000000000000000001 8000"), 1, 4, 4, 296, 1296);
    CheckCounters(services.at("17 0a00003c000000000000000000000000 5060"), 1, 1, 1, 111, 139);
    CheckCounters(services.at("mark 80"), 0, 0, 0, 0, 0);
    const auto servers = Servers(recording, recording.servers_traffic);
    REQUIRE(servers.size() == 1);
    const Server& server = servers.at("7f000001");
    CheckCounters(server, 3, 12, 12, 648, 3648);
    CHECK(server.active == 0);
    CHECK(server.inactive == 3);
    CHECK(server.persistent == 0);
  }
}

TEST_CASE("GET_SERVICE of one service tells the same as the dump") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    const auto payloads = test::Payloads(Hex(recording.service), recording.family);
    REQUIRE(payloads.size() == 1);
    const auto service = ipvs::DecodeService(payloads[0]);
    REQUIRE(service);
    const Service same = Services(recording).at("6 0a000050000000000000000000000000 443");
    CHECK(std::memcmp(&*service, &same, sizeof same) == 0);
  }
}

TEST_CASE("a dump of servers: NAT, every tunnel, both families") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    const auto servers = Servers(recording, recording.servers_mixed);
    REQUIRE(servers.size() == 5);
    const Server& nat = servers.at("c0a80101");
    CHECK(nat.family == AF_INET);
    CHECK(nat.address == AddressOf("c0a80101"));
    CHECK(nat.port == 8443);
    CHECK(nat.forwarding == 0);
    CHECK(nat.weight == 3);
    CHECK(nat.upper_threshold == 100);
    CHECK(nat.lower_threshold == 50);
    const Server& ipip = servers.at("c0a80102");
    CHECK(ipip.port == 443);
    CHECK(ipip.forwarding == 2);
    CHECK(ipip.weight == 0);
    CHECK(ipip.tunnel_type == 0);
    const Server& gue = servers.at("c0a80103");
    CHECK(gue.forwarding == 2);
    CHECK(gue.weight == 65535);
    CHECK(gue.tunnel_type == 1);
    CHECK(gue.tunnel_port == 6080);
    CHECK(gue.tunnel_flags == 2);
    const Server& gre = servers.at("c0a80104");
    CHECK(gre.tunnel_type == 2);
    CHECK(gre.tunnel_port == 0);
    CHECK(gre.tunnel_flags == 1);
    const Server& six = servers.at("20010db8000000000000000000000004");
    CHECK(six.family == AF_INET6);
    CHECK(six.forwarding == 2);
    CHECK(six.port == 443);
  }
}

TEST_CASE("servers with direct routing, and none") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    const auto six = Servers(recording, recording.servers_six);
    REQUIRE(six.size() == 1);
    CHECK(six.at("20010db8000000000000000000000001").forwarding == 3);
    CHECK(six.at("20010db8000000000000000000000001").weight == 2);
    const auto mark = Servers(recording, recording.servers_mark);
    REQUIRE(mark.size() == 1);
    CHECK(mark.at("c0a80165").forwarding == 3);
    CHECK(mark.at("c0a80165").port == 0);
    // The kernel answers for a missing service with an empty list, not with an error.
    CHECK(Servers(recording, recording.servers_missing).empty());
    CHECK(test::Split(Hex(recording.servers_missing)).size() == 1);  // DONE
  }
}

TEST_CASE("GET_INFO and GET_CONFIG") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    const auto infos = test::Payloads(Hex(recording.info), recording.family);
    REQUIRE(infos.size() == 1);
    const auto info = ipvs::DecodeInfo(infos[0]);
    REQUIRE(info);
    CHECK(info->version == 0x010201);
    CHECK(info->connection_table_size == (std::string_view(recording.release).starts_with("6.1.") ? 4096 : 256));
    const auto configs = test::Payloads(Hex(recording.config), recording.family);
    REQUIRE(configs.size() == 1);
    const auto timeouts = ipvs::DecodeTimeouts(configs[0]);
    REQUIRE(timeouts);
    CHECK(timeouts->tcp == 901);
    CHECK(timeouts->tcp_fin == 121);
    CHECK(timeouts->udp == 301);
  }
}

TEST_CASE("GET_DAEMON") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    const auto payloads = test::Payloads(Hex(recording.daemons), recording.family);
    REQUIRE(payloads.size() == 2);
    const auto master = ipvs::DecodeDaemon(payloads[0]);
    REQUIRE(master);
    CHECK(master->state == 1);
    CHECK(master->interface == "dum0");
    CHECK(master->sync_id == 7);
    CHECK(master->max_length == 1400);
    CHECK(master->group_family == AF_INET);
    CHECK(master->group == AddressOf("e0000052"));
    CHECK(master->port == 8850);
    CHECK(master->ttl == 3);
    const auto backup = ipvs::DecodeDaemon(payloads[1]);
    REQUIRE(backup);
    CHECK(backup->state == 2);
    CHECK(backup->sync_id == 8);
    CHECK(backup->max_length == 1452);  // what is left of an MTU of 1500
    CHECK(backup->group_family == AF_INET6);
    CHECK(backup->group == AddressOf("ff020000000000000000000000000082"));
    CHECK(backup->port == 8848);
    CHECK(backup->ttl == 1);
  }
}

TEST_CASE("acknowledgements of real errors, capped and not, with and without words") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    CHECK(AcknowledgementOf(recording.no_such_service).code == ESRCH);
    CHECK(AcknowledgementOf(recording.no_such_service).message.empty());
    CHECK(AcknowledgementOf(recording.no_such_service_uncapped).code == ESRCH);
    for (const char* answer : {recording.bad_attribute, recording.bad_attribute_uncapped}) {
      CHECK(AcknowledgementOf(answer).code == ERANGE);
      CHECK(AcknowledgementOf(answer).message == "Attribute failed policy validation");
    }
  }
}

TEST_CASE("counters of 32 bits serve where there are none of 64, in whatever order they come") {
  const std::string wide = "1000 0c80  0c00 0100 0200000001000000";  // STATS64: 2^32 + 2 connections
  const std::string narrow =
      "1800 0a80"                    // STATS
      "0800 0100 07000000"           // CONNS: u32
      "0c00 0400 0300000001000000";  // INBYTES: u64
  const auto decode = [](const std::string& statistics) {
    const auto inner = Hex("0600 0100 0200 0000" + statistics);
    const auto size = static_cast<uint16_t>(4 + inner.size());
    auto payload = Hex("04010000 0000 0180");
    std::memcpy(&payload[4], &size, sizeof size);
    payload.insert(payload.end(), inner.begin(), inner.end());
    const auto service = ipvs::DecodeService(payload);
    REQUIRE(service);
    return *service;
  };
  CHECK(decode(narrow).statistics[0] == 7);
  CHECK(decode(narrow).statistics[3] == 0x100000003);
  CHECK(decode(wide).statistics[0] == 0x100000002);
  CHECK(decode(wide + narrow).statistics[0] == 0x100000002);
  CHECK(decode(narrow + wide).statistics[0] == 0x100000002);
  CHECK(decode(narrow + wide).statistics[3] == 0);
  CHECK(decode(wide).present == ipvs::kHasStatistics);
  CHECK(decode("").present == 0);
}

TEST_CASE("unknown attributes are passed over; a message without its record is malformed") {
  const auto server =
      ipvs::DecodeServer(Hex("05010000 0800 0900 01020304 1400 0280"
                             "0600 0200 0050 0000"    // PORT
                             "0800 7f00 ffffffff"));  // what a later kernel may add
  REQUIRE(server);
  CHECK(server->port == 80);
  CHECK(server->present == 0);
  CHECK_FALSE(ipvs::DecodeServer(Hex("05010000")));
  CHECK_FALSE(ipvs::DecodeServer(Hex("05010000 0400 0180")));
  CHECK_FALSE(ipvs::DecodeService(Hex("01010000 0400 0280")));
  CHECK_FALSE(ipvs::DecodeDaemon(Hex("09010000 0400 0180")));
  CHECK_FALSE(ipvs::DecodeInfo(Hex("0e0100")));
}

TEST_CASE("names that fill their field still end; addresses longer than theirs are cut") {
  const auto service =
      ipvs::DecodeService(Hex("01010000 5400 0180"
                              "1800 0600 6161616161616161616161616161616161616161"
                              "1400 0b00 62626262626262626262626262626262"
                              "1c00 0300 0101010101010101010101010101010102020202"
                              "02020202"
                              "0800 0800 05000000"));
  REQUIRE(service);
  CHECK(std::string(service->scheduler.data()) == std::string(15, 'a'));
  CHECK(std::string(service->engine.data()) == std::string(15, 'b'));
  CHECK(service->address == AddressOf("01010101010101010101010101010101"));
  CHECK(service->timeout == 5);
}
