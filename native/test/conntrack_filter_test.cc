// Tests the filter in user space, and the part of it that the kernel runs on a socket.
#include <doctest/doctest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <set>
#include <string>

#include "conntrack/event_filter.h"
#include "conntrack/filter.h"
#include "test/conntrack_table.h"

using conntrack::Change;
using conntrack::Filter;
using conntrack::Flow;
using conntrack::Matches;
using conntrack::Verb;
using test::AddressOf;
using test::Created;
using test::FlowOf;
using test::PortlessTuple;
using test::Table;
using test::TupleOf;

namespace {

enum class End { kSource, kDestination };

// Returns a filter by the prefix of one address of the original direction.
Filter ByPrefix(End end, const char* address, uint8_t bits) {
  Filter filter;
  conntrack::TupleFilter& original = filter.original;
  original.tuple.family = std::strchr(address, ':') != nullptr ? AF_INET6 : AF_INET;
  if (end == End::kSource) {
    original.tuple.source = AddressOf(address);
    original.tuple.present = conntrack::kHasSource;
    original.source_prefix = bits;
  } else {
    original.tuple.destination = AddressOf(address);
    original.tuple.present = conntrack::kHasDestination;
    original.destination_prefix = bits;
  }
  return filter;
}

Filter ByMark(uint32_t mark, uint32_t mask) {
  Filter filter;
  filter.present = conntrack::kMark;
  filter.mark = mark;
  filter.mark_mask = mask;
  return filter;
}

Flow Marked(const conntrack::Tuple& original, uint32_t mark) {
  Flow flow = Created(original);
  flow.mark = mark;
  if (mark != 0) flow.present |= conntrack::kMark;
  return flow;
}

const Flow kHttps = FlowOf(TupleOf("192.0.2.1", 40000, "198.51.100.2", 443));
const Flow kSix = FlowOf(TupleOf("2001:db8:0:1::1", 40000, "2001:db8::2", 53, IPPROTO_UDP));

}  // namespace

TEST_CASE("a filter of nothing matches everything") {
  CHECK(Matches({}, kHttps));
  CHECK(Matches({}, kSix));
  CHECK(Matches({}, Flow{}));
  Filter unmarked;  // values without their bits in `present`
  unmarked.mark = unmarked.mark_mask = 7;
  unmarked.zone = 5;
  unmarked.family = AF_INET6;
  unmarked.state = 9;
  unmarked.original.tuple.source_port = 1;
  CHECK(Matches(unmarked, kHttps));
}

TEST_CASE("prefixes: none, whole, and to the bit") {
  for (const End end : {End::kSource, End::kDestination}) {
    const bool source = end == End::kSource;
    const char* own = source ? "192.0.2.1" : "198.51.100.2";
    const char* neighbour = source ? "192.0.2.0" : "198.51.100.3";
    const char* other = source ? "192.0.2.3" : "198.51.100.0";
    CHECK(Matches(ByPrefix(end, own, 32), kHttps));
    CHECK_FALSE(Matches(ByPrefix(end, neighbour, 32), kHttps));
    CHECK(Matches(ByPrefix(end, neighbour, 31), kHttps));
    CHECK_FALSE(Matches(ByPrefix(end, other, 31), kHttps));
    CHECK(Matches(ByPrefix(end, other, 30), kHttps));
    CHECK(Matches(ByPrefix(end, "10.0.0.0", 0), kHttps));
    CHECK(Matches(ByPrefix(end, "255.255.255.255", 0), kHttps));
  }
  CHECK(Matches(ByPrefix(End::kSource, "128.0.0.0", 1), kHttps));
  CHECK_FALSE(Matches(ByPrefix(End::kSource, "0.0.0.0", 1), kHttps));
  CHECK(Matches(ByPrefix(End::kSource, "192.0.0.0", 16), kHttps));
  CHECK_FALSE(Matches(ByPrefix(End::kSource, "192.1.0.0", 16), kHttps));
}

TEST_CASE("prefixes of IPv6, and none of the other family") {
  CHECK(Matches(ByPrefix(End::kSource, "2001:db8:0:1::", 64), kSix));
  CHECK_FALSE(Matches(ByPrefix(End::kSource, "2001:db8::", 64), kSix));
  CHECK(Matches(ByPrefix(End::kSource, "2001:db8::", 63), kSix));
  CHECK(Matches(ByPrefix(End::kSource, "2001:db8:0:1::1", 128), kSix));
  CHECK_FALSE(Matches(ByPrefix(End::kSource, "2001:db8:0:1::2", 128), kSix));
  CHECK(Matches(ByPrefix(End::kSource, "2001:db8:0:1::", 127), kSix));
  CHECK(Matches(ByPrefix(End::kDestination, "::", 0), kSix));
  CHECK_FALSE(Matches(ByPrefix(End::kDestination, "::", 0), kHttps));
  CHECK_FALSE(Matches(ByPrefix(End::kDestination, "0.0.0.0", 0), kSix));
  // A prefix that is longer than an address matches nothing, and does not read past the end.
  Filter beyond = ByPrefix(End::kSource, "2001:db8:0:1::1", 255);
  beyond.original.tuple.destination = kSix.original.destination;  // the next bytes are equal
  CHECK_FALSE(Matches(beyond, kSix));
}

TEST_CASE("family, protocol, ports, of either direction") {
  Filter filter;
  filter.present = conntrack::kFamily;
  filter.family = AF_INET6;
  CHECK(Matches(filter, kSix));
  CHECK_FALSE(Matches(filter, kHttps));

  for (const bool reply : {false, true}) {
    filter = {};
    conntrack::Tuple& wanted = (reply ? filter.reply : filter.original).tuple;
    wanted.protocol = IPPROTO_TCP;
    wanted.present = conntrack::kHasProtocol;
    CHECK(Matches(filter, kHttps));
    CHECK_FALSE(Matches(filter, kSix));
    wanted.present = conntrack::kHasSourcePort;
    wanted.source_port = reply ? 443 : 40000;
    CHECK(Matches(filter, kHttps));
    ++wanted.source_port;
    CHECK_FALSE(Matches(filter, kHttps));
    wanted.present = conntrack::kHasDestinationPort;
    wanted.destination_port = reply ? 40000 : 443;
    CHECK(Matches(filter, kHttps));
    ++wanted.destination_port;
    CHECK_FALSE(Matches(filter, kHttps));
  }
}

TEST_CASE("a flow without ports is not one with port 0") {
  const Flow ping = FlowOf(test::IcmpTuple("192.0.2.1", "192.0.2.2", IPPROTO_ICMP, 1, 8));
  for (const auto field : {conntrack::kHasSourcePort, conntrack::kHasDestinationPort}) {
    Filter filter;
    filter.original.tuple.present = field;
    CHECK_FALSE(Matches(filter, ping));
    CHECK(Matches(filter, FlowOf(TupleOf("192.0.2.1", 0, "192.0.2.2", 0))));
  }
}

TEST_CASE("mark, status, zone: what the kernel does not send is 0; a state is not") {
  Flow flow = kHttps;
  flow.mark = 0x1f;
  flow.present |= conntrack::kMark;
  CHECK(Matches(ByMark(0x10, 0xf0), flow));
  CHECK(Matches(ByMark(0xff10, 0xf0), flow));  // bits outside the mask are ignored
  CHECK_FALSE(Matches(ByMark(0x20, 0xf0), flow));
  CHECK(Matches(ByMark(0, 0xffffffff), kHttps));
  CHECK_FALSE(Matches(ByMark(1, 1), kHttps));
  CHECK(Matches(ByMark(1, 0), kHttps));

  flow.status = 0x0e;
  flow.present |= conntrack::kStatus;
  Filter filter;
  filter.present = conntrack::kStatus;
  filter.status_mask = 4;
  CHECK_FALSE(Matches(filter, flow));
  filter.status = 4;
  CHECK(Matches(filter, flow));
  filter.status_mask = 5;
  CHECK(Matches(filter, flow));
  filter.status = 1;
  CHECK_FALSE(Matches(filter, flow));

  filter = {};
  filter.present = conntrack::kZone;
  CHECK(Matches(filter, flow));
  filter.zone = 5;
  CHECK_FALSE(Matches(filter, flow));
  flow.zone = 5;
  CHECK(Matches(filter, flow));

  filter = {};
  filter.present = conntrack::kState;
  CHECK_FALSE(Matches(filter, flow));
  flow.present |= conntrack::kState;
  CHECK(Matches(filter, flow));
  filter.state = 3;
  CHECK_FALSE(Matches(filter, flow));
}

namespace {

// Creates and deletes the flows; returns the source ports of the events that a socket with this filter receives, in
// order.
std::vector<int> Heard(const Filter& filter, const std::vector<Flow>& flows) {
  Table table(1);
  const int fd = table.sockets.at(0).fd();
  auto code = conntrack::EventFilter(filter);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (!code.empty()) REQUIRE(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
  for (const uint32_t group : {conntrack::kGroupNew, conntrack::kGroupUpdate, conntrack::kGroupDestroy}) {
    REQUIRE(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0);
  }
  for (const auto verb : {Verb::kCreate, Verb::kDelete}) {
    for (const Flow& flow : flows) CHECK(table.Apply(verb, flow) == 0);
  }
  std::vector<int> ports;
  netlink::ReceiveBuffers buffers;
  // The kernel queues an event before it acknowledges the change.
  for (int count = 0; (count = table.sockets[0].Receive(buffers)) > 0;) {
    for (int i = 0; i < count; ++i) {
      netlink::MessageReader reader(buffers.datagram(i));
      netlink::Message message;
      while (reader.Next(message)) {
        conntrack::FlowBatch batch;
        REQUIRE(conntrack::DecodeFlow(message.payload, batch));
        ports.push_back(batch.flows[0].original.source_port);
      }
    }
  }
  return ports;
}

// Returns flows that differ in family, protocol and mark, each with its own source port.
std::vector<Flow> Assorted() {
  std::vector<Flow> flows;
  uint16_t port = 0;
  for (const uint32_t mark : {0x00, 0x0f, 0x10, 0x1f, 0x20}) {
    for (const uint8_t protocol : {IPPROTO_UDP, IPPROTO_TCP}) {
      flows.push_back(Marked(TupleOf("192.0.2.1", ++port, "192.0.2.2", 1, protocol), mark));
      flows.push_back(Marked(TupleOf("2001:db8::1", ++port, "2001:db8::2", 1, protocol), mark));
    }
  }
  return flows;
}

// Checks that the kernel accepts what Matches() matches and, with these filters, nothing more.
void CheckHeard(const Filter& filter) {
  const auto flows = Assorted();
  std::vector<int> expected;
  for (int twice = 0; twice < 2; ++twice) {
    for (const Flow& flow : flows) {
      if (Matches(filter, flow)) expected.push_back(flow.original.source_port);
    }
  }
  CHECK(Heard(filter, flows) == expected);
}

}  // namespace

TEST_CASE("EventFilter: no code where there is nothing the kernel could do") {
  CHECK(conntrack::EventFilter({}).empty());
  CHECK(conntrack::EventFilter(ByPrefix(End::kSource, "192.0.2.1", 32)).empty());
  Filter filter = ByMark(1, 1);
  CHECK_FALSE(conntrack::EventFilter(filter).empty());
  filter.here_only = 1;
  CHECK(conntrack::EventFilter(filter).empty());
}

TEST_CASE("EventFilter in the kernel: family, protocol, mark, and all of them") {
  if (const Table table; !table.usable()) return;
  Filter filter;
  CheckHeard(filter);
  filter.present = conntrack::kFamily;
  filter.family = AF_INET6;
  CheckHeard(filter);
  filter.family = AF_INET;
  filter.original.tuple.present = conntrack::kHasProtocol;
  filter.original.tuple.protocol = IPPROTO_TCP;
  CheckHeard(filter);
  filter.present = 0;
  CheckHeard(filter);
  filter.present = conntrack::kFamily | conntrack::kMark;
  filter.mark = 0x10;
  filter.mark_mask = 0xf0;
  CheckHeard(filter);
  CHECK(Heard(filter, Assorted()).size() == 4);  // two flows, each made and destroyed
}

TEST_CASE("EventFilter in the kernel: a mark of 0 is not told, and yet is one") {
  if (const Table table; !table.usable()) return;
  CheckHeard(ByMark(0, 0xf0));
  CheckHeard(ByMark(0, 0xffffffff));
  CheckHeard(ByMark(0x10, 0xffffffff));
  CheckHeard(ByMark(0xff, 0));
}

TEST_CASE("EventFilter in the kernel: what it cannot do is let through") {
  if (const Table table; !table.usable()) return;
  Filter filter = ByMark(0x10, 0xf0);
  filter.original.tuple = TupleOf("192.0.2.1", 9, "192.0.2.2", 1, IPPROTO_UDP);
  filter.original.source_prefix = filter.original.destination_prefix = 32;
  const auto heard = Heard(filter, Assorted());
  CHECK(std::set(heard.begin(), heard.end()) == std::set{9, 10, 13, 14});  // of these, Matches() takes 9
}
