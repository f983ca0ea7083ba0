// Tests with lines of /proc/net/ip_vs_conn that Linux 6.1 and 7.2 wrote.
#include "ipvs/connection_file.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include "fuzz/feed.h"

using ipvs::Connection;
using ipvs::ParseConnection;

namespace {

constexpr char kFour[] = "TCP 7F000001 A39E 7F000001 0050 7F000001 1F90 CLOSE             9";
constexpr char kSix[] =
    "TCP 0000:0000:0000:0000:0000:0000:0000:0001 AE84 2001:0db8:0000:0000:0000:0000:0000:0080 0050 "
    "2001:0db8:0000:0000:0000:0000:0000:0001 1F90 ESTABLISHED     899";
constexpr char kSip[] = "UDP 0A00003C 0000 0A00003C 13C4 0A00003D 13C4 NONE             54 sip abc123@10.0.0.1";

struct Parsed {
  Connection connection;
  std::string data;
};

std::optional<Parsed> Parse(std::string_view line) {
  std::vector<Connection> connections;
  std::string data;
  if (!ParseConnection(line, connections, data)) return std::nullopt;
  REQUIRE(connections.size() == 1);
  return Parsed{connections[0], data};
}

std::string Text(const ipvs::Address& address, int family) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family, address.data(), text.data(), text.size());
  return text.data();
}

}  // namespace

TEST_CASE("an IPv4 connection") {
  const auto parsed = Parse(kFour);
  REQUIRE(parsed);
  const Connection& connection = parsed->connection;
  CHECK(connection.family == AF_INET);
  CHECK(connection.server_family == AF_INET);
  CHECK(std::string(connection.protocol.data()) == "TCP");
  CHECK(Text(connection.client, AF_INET) == "127.0.0.1");
  CHECK(connection.client_port == 0xa39e);
  CHECK(Text(connection.virtual_address, AF_INET) == "127.0.0.1");
  CHECK(connection.virtual_port == 80);
  CHECK(Text(connection.server, AF_INET) == "127.0.0.1");
  CHECK(connection.server_port == 8080);
  CHECK(std::string(connection.state.data()) == "CLOSE");
  CHECK(connection.expires == 9);
  CHECK(connection.engine[0] == '\0');
  CHECK(connection.engine_data_length == 0);
}

TEST_CASE("the bytes of an IPv4 address are in network order, the rest is 0") {
  const auto parsed = Parse("UDP C0A80165 0035 0A000035 0035 AC1001FE 0035 UDP             295");
  REQUIRE(parsed);
  CHECK(parsed->connection.client == ipvs::Address{192, 168, 1, 101});
  CHECK(parsed->connection.virtual_address == ipvs::Address{10, 0, 0, 53});
  CHECK(parsed->connection.server == ipvs::Address{172, 16, 1, 254});
  CHECK(parsed->connection.expires == 295);
}

TEST_CASE("an IPv6 connection, plain and in brackets") {
  const auto parsed = Parse(kSix);
  REQUIRE(parsed);
  const Connection& connection = parsed->connection;
  CHECK(connection.family == AF_INET6);
  CHECK(connection.server_family == AF_INET6);
  CHECK(Text(connection.client, AF_INET6) == "::1");
  CHECK(connection.client_port == 0xae84);
  CHECK(Text(connection.virtual_address, AF_INET6) == "2001:db8::80");
  CHECK(Text(connection.server, AF_INET6) == "2001:db8::1");
  CHECK(connection.server_port == 8080);
  CHECK(std::string(connection.state.data()) == "ESTABLISHED");
  CHECK(connection.expires == 899);

  const auto bracketed = Parse("TCP [::1] AE84 [2001:db8::80] 0050 [2001:db8::1] 1F90 ESTABLISHED     899");
  REQUIRE(bracketed);
  CHECK(bracketed->connection.client == connection.client);
  CHECK(bracketed->connection.server == connection.server);
}

TEST_CASE("a server of the other family") {
  const auto parsed =
      Parse("TCP 0A000001 C001 0A000050 01BB 2001:0db8:0000:0000:0000:0000:0000:0004 01BB SYN_RECV         57");
  REQUIRE(parsed);
  CHECK(parsed->connection.family == AF_INET);
  CHECK(parsed->connection.server_family == AF_INET6);
  CHECK(Text(parsed->connection.client, AF_INET) == "10.0.0.1");
  CHECK(Text(parsed->connection.server, AF_INET6) == "2001:db8::4");
}

TEST_CASE("a connection of a persistence engine, and its data") {
  const auto parsed = Parse(kSip);
  REQUIRE(parsed);
  CHECK(std::string(parsed->connection.state.data()) == "NONE");
  CHECK(parsed->connection.client_port == 0);
  CHECK(parsed->connection.expires == 54);
  CHECK(std::string(parsed->connection.engine.data()) == "sip");
  CHECK(parsed->data == "abc123@10.0.0.1");
  CHECK(parsed->connection.engine_data_length == 15);
}

TEST_CASE("records and data are appended to what is there") {
  std::vector<Connection> connections;
  std::string data;
  REQUIRE(ParseConnection(kSip, connections, data));
  REQUIRE(ParseConnection(kFour, connections, data));
  REQUIRE(ParseConnection("UDP 0A00003C 0000 0A00003C 13C4 0A00003D 13C4 NONE 54 sip a b", connections, data));
  REQUIRE(connections.size() == 3);
  CHECK(data == "abc123@10.0.0.1a b");
  CHECK(connections[1].engine_data_offset == 15);
  CHECK(connections[1].engine_data_length == 0);
  CHECK(connections[2].engine_data_offset == 15);
  CHECK(connections[2].engine_data_length == 3);
}

TEST_CASE("what is not a connection leaves everything as it is") {
  std::vector<Connection> connections;
  std::string data = "kept";
  for (const char* line :
       {"", " ", "\n", "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData", "TCP",
        "TCP 7F000001 A39E 7F000001 0050 7F000001 1F90 CLOSE", "TCP 7F000001 A39E 7F000001 0050 7F000001 1F90 CLOSE -1",
        "TCP 7F000001 A39E 7F000001 0050 7F000001 1F90 CLOSE 4294967296",
        "TCP 7F000001 A39E 7F000001 0050 7F000001 1F90 CLOSE 9s",
        "TCP 7F000001 1A39E 7F000001 0050 7F000001 1F90 CLOSE 9",
        "TCP 17F000001 A39E 7F000001 0050 7F000001 1F90 CLOSE 9",
        "TCP 7F00000G A39E 7F000001 0050 7F000001 1F90 CLOSE 9",
        "TCP 0x7F0001 A39E 7F000001 0050 7F000001 1F90 CLOSE 9", "TCP [ A39E 7F000001 0050 7F000001 1F90 CLOSE 9",
        "TCP [: A39E 7F000001 0050 7F000001 1F90 CLOSE 9", "TCP : A39E 7F000001 0050 7F000001 1F90 CLOSE 9",
        "TCP ::g A39E 7F000001 0050 7F000001 1F90 CLOSE 9"}) {
    CAPTURE(line);
    CHECK_FALSE(ParseConnection(line, connections, data));
  }
  CHECK(connections.empty());
  CHECK(data == "kept");
}

TEST_CASE("words longer than their field are cut, and still end") {
  const std::string longest(100, 'X');
  const auto parsed =
      Parse(longest + " 7F000001 A39E 7F000001 0050 7F000001 1F90 " + longest + " 9 " + longest + " data");
  REQUIRE(parsed);
  CHECK(std::string(parsed->connection.protocol.data()) == std::string(15, 'X'));
  CHECK(std::string(parsed->connection.state.data()) == std::string(23, 'X'));
  CHECK(std::string(parsed->connection.engine.data()) == std::string(15, 'X'));
  CHECK(parsed->data == "data");
}

TEST_CASE("every line cut anywhere: nothing until the expiry has begun, and nothing wrong after") {
  for (const std::string line : {kFour, kSix, kSip}) {
    for (size_t size = 0; size <= line.size(); ++size) {
      CAPTURE(line.substr(0, size));
      const std::string cut = line.substr(0, size);
      fuzz::FeedLine(cut);
      const auto parsed = Parse(cut);
      std::istringstream words(cut);
      const auto count = std::distance(std::istream_iterator<std::string>(words), {});
      CHECK(parsed.has_value() == (count >= 9));
      if (parsed) CHECK(parsed->connection.server_port == Parse(line)->connection.server_port);
    }
  }
}

TEST_CASE("one flipped bit in a line, anywhere") {
  for (std::string line : {kFour, kSix, kSip}) {
    for (size_t bit = 0; bit < 8 * line.size(); ++bit) {
      line[bit / 8] = static_cast<char>(line[bit / 8] ^ (1 << (bit % 8)));
      fuzz::FeedLine(line);
      line[bit / 8] = static_cast<char>(line[bit / 8] ^ (1 << (bit % 8)));
    }
  }
}
