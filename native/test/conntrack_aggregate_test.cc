#include <doctest/doctest.h>

#include "conntrack/aggregate.h"
#include "test/conntrack_records.h"

using conntrack::Aggregate;
using conntrack::Flow;
using conntrack::Group;
using test::FlowOf;
using test::TupleOf;

namespace {

Flow Base() {
  Flow flow = FlowOf(TupleOf("192.0.2.1", 40000, "198.51.100.2", 443));
  flow.mark = 7;
  flow.zone = 5;
  flow.state = 3;
  flow.present |= conntrack::kMark | conntrack::kZone | conntrack::kState;
  return flow;
}

// Returns the number of groups of these flows.
size_t Groups(uint32_t fields, std::initializer_list<Flow> flows) {
  Aggregate aggregate(fields);
  for (const Flow& flow : flows) aggregate.Add(flow);
  uint64_t total = 0;
  for (const Group& group : aggregate.groups()) total += group.flows;
  CHECK(total == flows.size());
  return aggregate.groups().size();
}

constexpr uint32_t kAllFields = (1U << 11) - 1;

}  // namespace

TEST_CASE("each field tells apart what differs in it, and only that") {
  struct Case {
    uint32_t field;
    void (*change)(Flow&);
  };
  const auto cases = std::to_array<Case>({
      {conntrack::kByProtocol, [](Flow& flow) { flow.original.protocol = 17; }},
      {conntrack::kBySource, [](Flow& flow) { flow.original.source[3] = 9; }},
      {conntrack::kByDestination, [](Flow& flow) { flow.original.destination[3] = 9; }},
      {conntrack::kBySourcePort, [](Flow& flow) { flow.original.source_port = 9; }},
      {conntrack::kByDestinationPort, [](Flow& flow) { flow.original.destination_port = 9; }},
      {conntrack::kByReplySource, [](Flow& flow) { flow.reply.source[3] = 9; }},
      {conntrack::kByReplySourcePort, [](Flow& flow) { flow.reply.source_port = 9; }},
      {conntrack::kByMark, [](Flow& flow) { flow.mark = 9; }},
      {conntrack::kByZone, [](Flow& flow) { flow.zone = 9; }},
      {conntrack::kByState, [](Flow& flow) { flow.state = 9; }},
      {conntrack::kByFamily, [](Flow& flow) { flow.original.family = AF_INET6; }},
  });
  for (const Case& one : cases) {
    CAPTURE(one.field);
    Flow changed = Base();
    one.change(changed);
    CHECK(Groups(one.field, {Base(), changed, Base()}) == 2);
    CHECK(Groups(kAllFields, {Base(), changed, Base()}) == 2);
    uint32_t others = kAllFields & ~one.field;
    // A group by state includes the protocol; a group by address includes the family.
    if (one.field == conntrack::kByProtocol) others &= ~conntrack::kByState;
    if (one.field == conntrack::kByFamily) {
      others &= ~(conntrack::kBySource | conntrack::kByDestination | conntrack::kByReplySource);
    }
    CHECK(Groups(others, {Base(), changed, Base()}) == 1);
  }
}

TEST_CASE("a key has what was asked for, and zero for the rest") {
  Aggregate by_all(kAllFields);
  by_all.Add(Base());
  const conntrack::GroupKey key = by_all.groups().at(0).key;
  CHECK(key.source == test::AddressOf("192.0.2.1"));
  CHECK(key.destination == test::AddressOf("198.51.100.2"));
  CHECK(key.reply_source == test::AddressOf("198.51.100.2"));
  CHECK(key.mark == 7);
  CHECK(key.source_port == 40000);
  CHECK(key.destination_port == 443);
  CHECK(key.reply_source_port == 443);
  CHECK(key.zone == 5);
  CHECK(key.protocol == IPPROTO_TCP);
  CHECK(key.family == AF_INET);
  CHECK(key.state == 3);
  CHECK(key.has_state == 1);

  Aggregate by_nothing(0);
  by_nothing.Add(Base());
  by_nothing.Add(FlowOf(TupleOf("::1", 1, "::2", 2)));
  REQUIRE(by_nothing.groups().size() == 1);
  const conntrack::GroupKey nothing;
  CHECK(std::memcmp(&by_nothing.groups()[0].key, &nothing, sizeof nothing) == 0);
  CHECK(by_nothing.groups()[0].flows == 2);
}

TEST_CASE("an address is one of its family; no state is not state 0") {
  Flow four;
  four.original.family = AF_INET;
  Flow six;
  six.original.family = AF_INET6;
  for (const auto field : {conntrack::kBySource, conntrack::kByDestination, conntrack::kByReplySource}) {
    CHECK(Groups(field, {four, six}) == 2);
  }
  CHECK(Groups(conntrack::kBySourcePort, {four, six}) == 1);
  Flow stateless = Base();
  stateless.state = 0;
  Flow zero = stateless;
  stateless.present &= ~conntrack::kState;
  CHECK(Groups(conntrack::kByState, {stateless, zero}) == 2);
}

TEST_CASE("counters are added up; flows without any are not counted") {
  Aggregate aggregate(conntrack::kByProtocol);
  Flow flow = Base();
  flow.counters = {{{1, 100}, {2, 1000}}};  // without the bits in `present`
  aggregate.Add(flow);
  flow.present |= conntrack::kCountersOriginal | conntrack::kCountersReply;
  aggregate.Add(flow);
  flow.counters = {{{1ULL << 40, 1ULL << 60}, {0, 0}}};
  flow.present &= ~conntrack::kCountersReply;
  aggregate.Add(flow);
  flow.original.protocol = IPPROTO_UDP;
  aggregate.Add(flow);
  REQUIRE(aggregate.groups().size() == 2);
  const Group& tcp = aggregate.groups()[0];
  CHECK(tcp.flows == 3);
  CHECK(tcp.counted == 2);
  CHECK(tcp.counters[0].packets == (1ULL << 40) + 1);
  CHECK(tcp.counters[0].bytes == (1ULL << 60) + 100);
  CHECK(tcp.counters[1].packets == 2);
  CHECK(tcp.counters[1].bytes == 1000);
  CHECK(aggregate.groups()[1].flows == 1);
  CHECK(aggregate.groups()[1].counters[1].packets == 0);
}

TEST_CASE("100 000 groups, each found again after every growth") {
  constexpr uint32_t kGroups = 100'000;
  Aggregate aggregate(conntrack::kBySource | conntrack::kBySourcePort);
  for (uint32_t round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < kGroups; ++i) {
      Flow flow = Base();
      const uint32_t address = htonl(0x0a000000 + i / 4);
      std::memcpy(flow.original.source.data(), &address, sizeof address);
      flow.original.source_port = static_cast<uint16_t>(i % 4);
      flow.present |= conntrack::kCountersOriginal;
      flow.counters[0] = {i, round};
      aggregate.Add(flow);
    }
    REQUIRE(aggregate.groups().size() == kGroups);
  }
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < kGroups; ++i) {  // in the order of their first flows
    const Group& group = aggregate.groups()[i];
    if (group.flows != 3 || group.counted != 3 || group.key.source_port != i % 4) ++wrong;
    if (group.counters[0].packets != 3ULL * i || group.counters[0].bytes != 3) ++wrong;
  }
  CHECK(wrong == 0);
}
