// Tests the client and the dump with the table of a real kernel. Requests that would empty it by mistake are rejected.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <string>

#include "conntrack/client.h"
#include "conntrack/flow_dump.h"
#include "test/conntrack_table.h"

using conntrack::Change;
using conntrack::Command;
using conntrack::Filter;
using conntrack::Flow;
using conntrack::FlowBatch;
using conntrack::Verb;
using test::Created;
using test::Table;
using test::TupleOf;

namespace {

Flow Numbered(uint16_t port, uint32_t mark = 0) {
  Flow flow = Created(TupleOf("192.0.2.1", port, "198.51.100.2", 53, IPPROTO_UDP));
  if (mark != 0) flow.present |= conntrack::kMark;
  flow.mark = mark;
  return flow;
}

// Returns the source ports of the dumped flows, in order.
std::vector<int> Dumped(const Filter& filter, netlink::Socket socket) {
  conntrack::FlowDump dump(std::move(socket), Command::kGet, filter);
  std::vector<int> ports;
  conntrack::FlowBatch batch;
  while (!dump.ended()) {
    const netlink::Failure failure = dump.Next(batch);
    REQUIRE_MESSAGE(!failure, failure.message);
    for (const Flow& flow : batch.flows) ports.push_back(flow.original.source_port);
  }
  std::sort(ports.begin(), ports.end());
  return ports;
}

}  // namespace

TEST_CASE("what names no flow never reaches the kernel, which would take it for all flows") {
  Table table;
  if (!table.usable()) return;
  REQUIRE(table.Apply(Verb::kCreate, Numbered(1)) == 0);
  const Flow nameless;
  Flow half = Numbered(1);
  half.original.present &= ~conntrack::kHasDestination;
  for (const Flow& flow : {nameless, half}) {
    for (const auto verb : {Verb::kCreate, Verb::kUpdate, Verb::kDelete}) {
      // The valid change before it is not applied either.
      CHECK(table.Apply({{Verb::kDelete, 0, Numbered(1), {}}, {verb, 0, flow, {}}}) == std::vector{EINVAL});
    }
    const auto got = table.Get(flow);
    REQUIRE_FALSE(got.ok());
    CHECK(got.failure().code == EINVAL);
    CHECK(got.failure().message == "no tuple");  // the message of this library, not the kernel's
  }
  const auto deleted =
      table.Wait<bool>([](auto& client, auto done) { client.DeleteExpectation(1, conntrack::Expectation{}, done); });
  REQUIRE_FALSE(deleted.ok());
  CHECK(deleted.failure().code == EINVAL);
  CHECK(table.Apply(std::vector<Change>{}).empty());
  CHECK(table.Get(Numbered(1)).ok());  // it is still there
}

TEST_CASE("a flow is created, read, changed and deleted") {
  Table table;
  if (!table.usable()) return;
  Flow flow = Created(TupleOf("2001:db8::1", 40000, "2001:db8::2", 443));
  flow.present |= conntrack::kMark | conntrack::kState | conntrack::kStatus;
  flow.mark = 7;
  flow.state = 3;
  flow.status = 0x0e;
  REQUIRE(table.Apply(Verb::kCreate, flow) == 0);
  CHECK(table.Apply(Verb::kCreate, flow) == EEXIST);

  Flow key;
  key.reply = flow.reply;
  key.present = conntrack::kReply;
  for (const Flow& by : {flow, key}) {
    auto got = table.Get(by);
    REQUIRE(got.ok());
    REQUIRE(got.value().flows.size() == 1);
    const Flow& read = got.value().flows[0];
    CHECK(std::memcmp(&read.original, &flow.original, sizeof flow.original) == 0);
    CHECK(std::memcmp(&read.reply, &flow.reply, sizeof flow.reply) == 0);
    CHECK(read.mark == 7);
    CHECK(read.state == 3);
    CHECK((read.status & 0x0e) == 0x0e);
    CHECK(read.timeout <= 600);
  }

  key.present |= conntrack::kMark | conntrack::kMarkMask | conntrack::kState | conntrack::kTimeout;
  key.mark = 0xf0;
  key.mark_mask = 0xf0;
  key.state = 4;
  key.timeout = 100;
  CHECK(table.Apply(Verb::kUpdate, key) == 0);
  const Flow changed = table.Get(flow).value().flows.at(0);
  CHECK(changed.mark == 0xf7);
  CHECK(changed.state == 4);
  CHECK(changed.timeout <= 100);

  Flow doomed = flow;
  doomed.present |= conntrack::kId;
  doomed.id = changed.id + 1;
  CHECK(table.Apply(Verb::kDelete, doomed) == ENOENT);
  doomed.id = changed.id;
  CHECK(table.Apply(Verb::kDelete, doomed) == 0);
  CHECK(table.Get(flow).failure().code == ENOENT);
}

TEST_CASE("many changes, each with its own outcome, though few are acknowledged") {
  Table table(1);
  if (!table.usable()) return;
  std::vector<Change> changes;
  for (uint16_t i = 0; i < 500; ++i) changes.push_back({Verb::kCreate, 0, Numbered(i % 7 == 6 ? 0 : i), {}});
  const auto outcomes = table.Apply(changes);
  REQUIRE(outcomes.size() == 500);
  for (int i = 0; i < 500; ++i) {
    if (outcomes[i] != (i % 7 == 6 ? EEXIST : 0)) FAIL_CHECK("outcome ", i, ": ", outcomes[i]);
  }
  CHECK(Dumped({}, std::move(table.sockets[0])).size() == 500 - 71);
}

TEST_CASE("a flush heeds the family") {
  Table table;
  if (!table.usable()) return;
  const Flow four = Numbered(1);
  const Flow six = Created(TupleOf("::1", 1, "::2", 2));
  const auto flush = [&](uint8_t family) {
    return table.Wait<bool>([&](auto& client, auto done) { client.Flush(1, family, done); }).ok();
  };
  CHECK(table.Apply({{Verb::kCreate, 0, four, {}}, {Verb::kCreate, 0, six, {}}}) == std::vector{0, 0});
  CHECK(flush(AF_INET6));
  CHECK(table.Get(four).ok());
  CHECK_FALSE(table.Get(six).ok());
  CHECK(flush(AF_UNSPEC));
  CHECK_FALSE(table.Get(four).ok());
}

TEST_CASE("a dump yields what matches, whether the kernel filters or we do") {
  Table table(8);
  if (!table.usable()) return;
  std::vector<Change> changes;
  for (uint16_t i = 1; i <= 4; ++i) changes.push_back({Verb::kCreate, 0, Numbered(i, i), {}});
  changes.push_back({Verb::kCreate, 0, Created(TupleOf("192.0.2.77", 5, "198.51.100.2", 53, IPPROTO_UDP)), {}});
  changes.push_back({Verb::kCreate, 0, Created(TupleOf("2001:db8::1", 6, "2001:db8::2", 53, IPPROTO_UDP)), {}});
  CHECK(table.Apply(changes) == std::vector<int>(6, 0));

  const auto check = [&](const Filter& filter, const std::vector<int>& ports) {
    for (const uint8_t here_only : {0, 1}) {
      Filter either = filter;
      either.here_only = here_only;
      CAPTURE(int{here_only});
      REQUIRE(!table.sockets.empty());
      netlink::Socket socket = std::move(table.sockets.back());
      table.sockets.pop_back();
      CHECK(Dumped(either, std::move(socket)) == ports);
    }
  };
  Filter filter;
  check(filter, {1, 2, 3, 4, 5, 6});
  filter.present = conntrack::kMark;
  filter.mark = 2;
  filter.mark_mask = 2;
  check(filter, {2, 3});
  filter = {};
  filter.present = conntrack::kFamily;
  filter.family = AF_INET;
  filter.original.tuple = TupleOf("192.0.2.1", 3, "198.51.100.2", 53, IPPROTO_UDP);
  filter.original.source_prefix = filter.original.destination_prefix = 32;
  check(filter, {3});
  filter.family = AF_INET6;
  filter.original.tuple = test::PortlessTuple("2001:db8::1", "2001:db8::2", IPPROTO_UDP);
  filter.original.source_prefix = filter.original.destination_prefix = 128;
  check(filter, {6});
}

namespace {

// A file with a number that replaces the kernel's file.
class NumberFile {
 public:
  NumberFile() : fd_(mkstemp(path_.data())) {}
  ~NumberFile() {
    close(fd_);
    unlink(path_.data());
  }
  NumberFile(const NumberFile&) = delete;
  NumberFile& operator=(const NumberFile&) = delete;

  const char* path() const { return path_.data(); }
  void Write(const std::string& text) const {
    REQUIRE(pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }

 private:
  std::array<char, 32> path_{"/tmp/native-tests-XXXXXX"};
  int fd_;
};

}  // namespace

TEST_CASE("a dump fails with EINTR when the number of buckets changes, and starts again") {
  Table table(1);
  if (!table.usable()) return;
  constexpr size_t kFlows = 4000;
  std::vector<Change> changes;
  for (size_t i = 1; i <= kFlows; ++i) {
    changes.push_back({Verb::kCreate, 0, Numbered(static_cast<uint16_t>(i)), {}});
  }
  table.Apply(changes);

  NumberFile buckets;
  buckets.Write("1024\n");
  conntrack::FlowDump dump(std::move(table.sockets[0]), Command::kGet, {}, false,
                           conntrack::BucketCount(buckets.path()));
  FlowBatch batch;
  REQUIRE(!dump.Next(batch));
  REQUIRE(!batch.empty());
  REQUIRE(!dump.ended());
  buckets.Write("2048\n");
  CHECK(dump.Next(batch).code == EINTR);
  CHECK(batch.empty());
  CHECK(dump.ended());

  dump.Restart();
  std::multiset<int> ports;
  while (!dump.ended()) {
    REQUIRE(!dump.Next(batch));
    for (const Flow& flow : batch.flows) ports.insert(flow.original.source_port);
  }
  CHECK(ports.size() == kFlows);
  CHECK(std::set<int>(ports.begin(), ports.end()).size() == kFlows);
}

TEST_CASE("a number of buckets that cannot be read is 0") {
  CHECK(conntrack::BucketCount("/nowhere/nf_conntrack_buckets").Read() == 0);
}

TEST_CASE("statistics: one record per processor, and the size of the table") {
  Table table;
  if (!table.usable()) return;
  REQUIRE(table.Apply(Verb::kCreate, Numbered(1)) == 0);
  auto totals =
      table.Wait<conntrack::GlobalStatistics>([](auto& client, auto done) { client.GlobalStatistics(1, done); });
  REQUIRE(totals.ok());
  CHECK(totals.value().entries == 1);
  auto processors = table.Wait<std::vector<conntrack::ProcessorStatistics>>(
      [](auto& client, auto done) { client.ProcessorStatistics(1, done); });
  REQUIRE(processors.ok());
  REQUIRE_FALSE(processors.value().empty());
  for (uint32_t i = 0; i < processors.value().size(); ++i) CHECK(processors.value()[i].processor == i);
}
