// Tests how the mirror handles events and comparisons with the table.
#include <doctest/doctest.h>

#include <string>

#include "conntrack/mirror.h"
#include "test/conntrack_records.h"

using conntrack::Event;
using conntrack::Flow;
using conntrack::FlowBatch;
using conntrack::Mirror;
using test::FlowOf;
using test::TupleOf;

namespace {

Flow Told(Event event, uint16_t port, uint32_t id, uint32_t mark = 0) {
  Flow flow = FlowOf(TupleOf("192.0.2.1", port, "198.51.100.2", 443));
  flow.event = event;
  flow.id = id;
  flow.status = 8;
  flow.mark = mark;
  flow.present |= conntrack::kId | conntrack::kStatus | (mark != 0 ? conntrack::kMark : 0U);
  return flow;
}

Flow Row(uint16_t port, uint32_t id, uint32_t mark = 0) { return Told(Event::kListed, port, id, mark); }

// Returns all events as text, in order, for example "new 1 (port 10)".
std::string Text(const FlowBatch& batch) {
  std::string text;
  for (const Flow& flow : batch.flows) {
    const char* event = flow.event == Event::kNew       ? "new "
                        : flow.event == Event::kUpdate  ? "update "
                        : flow.event == Event::kDestroy ? "destroy "
                                                        : "? ";
    text += event + std::to_string(flow.id) + (flow.recovered != 0 ? ";" : " (not recovered);");
  }
  return text;
}

struct Taken {
  bool known;
  std::string missed;
  bool operator==(const Taken&) const = default;
};

Taken Take(Mirror& mirror, Flow flow) {
  FlowBatch missed;
  const bool known = mirror.Take(flow, missed);
  return {known, Text(missed)};
}

// Compares the mirror with a table of these rows.
std::string Compared(Mirror& mirror, std::initializer_list<Flow> rows) {
  FlowBatch changes;
  mirror.Begin();
  for (const Flow& row : rows) mirror.Compare(row, changes);
  mirror.End(changes);
  return Text(changes);
}

}  // namespace

TEST_CASE("events in order: nothing is missed") {
  Mirror mirror;
  CHECK(Take(mirror, Told(Event::kNew, 10, 1)) == Taken{false, ""});
  CHECK(mirror.size() == 1);
  CHECK(Take(mirror, Told(Event::kUpdate, 10, 1, 7)) == Taken{true, ""});
  CHECK(mirror.size() == 1);
  CHECK(Take(mirror, Told(Event::kDestroy, 10, 1)) == Taken{true, ""});
  CHECK(mirror.size() == 0);
  CHECK(Take(mirror, Told(Event::kDestroy, 10, 1)) == Taken{false, ""});
}

TEST_CASE("the same tuple in another zone, or in a zone of its direction, is another flow") {
  Mirror mirror;
  Flow flow = Told(Event::kNew, 10, 1);
  Take(mirror, flow);
  flow.zone = 5;
  flow.id = 2;
  CHECK(Take(mirror, flow) == Taken{false, ""});
  flow.zone = 0;
  flow.original.zone = 5;
  flow.original.present |= conntrack::kHasZone;
  flow.id = 3;
  CHECK(Take(mirror, flow) == Taken{false, ""});
  CHECK(mirror.size() == 3);
}

TEST_CASE("a tuple taken by another flow: the destroy of the first has been missed") {
  Mirror mirror;
  Flow first = Told(Event::kNew, 10, 1, 7);
  first.state = 3;
  first.labels[0] = 9;
  first.labels_length = 16;
  first.present |= conntrack::kState | conntrack::kLabels;
  Take(mirror, first);
  FlowBatch missed;
  Flow second = Told(Event::kNew, 10, 2);
  CHECK_FALSE(mirror.Take(second, missed));
  REQUIRE(missed.flows.size() == 1);
  const Flow& gone = missed.flows[0];
  CHECK(gone.event == Event::kDestroy);
  CHECK(gone.recovered == 1);
  CHECK(gone.id == 1);
  CHECK(gone.status == 8);
  CHECK(gone.mark == 7);
  CHECK(gone.state == 3);
  CHECK(gone.labels == first.labels);
  CHECK(gone.labels_length == 16);
  CHECK(gone.present == first.present);
  CHECK(std::memcmp(&gone.original, &first.original, sizeof first.original) == 0);
  CHECK(std::memcmp(&gone.reply, &first.reply, sizeof first.reply) == 0);
  CHECK(mirror.size() == 1);
  // The second flow inherits nothing from the first: it has no mark.
  missed = {};
  Flow third = Told(Event::kNew, 10, 3);
  mirror.Take(third, missed);
  CHECK(missed.flows.at(0).mark == 0);
  CHECK((missed.flows[0].present & (conntrack::kMark | conntrack::kState | conntrack::kLabels)) == 0);
}

TEST_CASE("a late destroy of the flow before does not take the one that has its tuple now") {
  Mirror mirror;
  Take(mirror, Told(Event::kNew, 10, 2));
  CHECK(Take(mirror, Told(Event::kDestroy, 10, 1)) == Taken{false, ""});
  CHECK(mirror.size() == 1);
}

TEST_CASE("what an event does not tell stays") {
  Mirror mirror;
  Take(mirror, Told(Event::kNew, 10, 1, 7));
  Flow update = Told(Event::kUpdate, 10, 1);
  update.status = 0x0e;
  Take(mirror, update);
  Flow row = Row(10, 1, 7);
  row.status = 0x0e;
  CHECK(Compared(mirror, {row}).empty());
}

TEST_CASE("compared with the table: new, changed, vanished, replaced, and nothing of what is the same") {
  Mirror mirror;
  for (const uint16_t i : {1, 2, 3, 4}) Take(mirror, Told(Event::kNew, i, i, 7));
  // 1 is unchanged, 2 has another mark, 3 is deleted, 40 has taken the tuple of 4, 5 is new.
  CHECK(Compared(mirror, {Row(5, 5), Row(1, 1, 7), Row(2, 2, 8), Row(4, 40)}) ==
        "new 5;update 2;destroy 4;new 40;destroy 3;");
  CHECK(mirror.size() == 4);
  CHECK(Compared(mirror, {Row(5, 5), Row(1, 1, 7), Row(2, 2, 8), Row(4, 40)}).empty());
  CHECK(Compared(mirror, {Row(1, 1, 7)}).size() == std::string("destroy 5;destroy 2;destroy 40;").size());
  CHECK(Compared(mirror, {}) == "destroy 1;");
  CHECK(mirror.size() == 0);
}

TEST_CASE("a change of status, labels or state is one; counters and timeouts are none") {
  Mirror mirror;
  Flow row = Row(10, 1);
  row.present |= conntrack::kState | conntrack::kLabels;
  row.state = 1;
  row.labels_length = 16;
  CHECK(Compared(mirror, {row}) == "new 1;");
  row.status = 0x0e;
  CHECK(Compared(mirror, {row}) == "update 1;");
  row.state = 3;
  CHECK(Compared(mirror, {row}) == "update 1;");
  row.labels[15] = 1;
  CHECK(Compared(mirror, {row}) == "update 1;");
  row.timeout = 5;
  row.use = 2;
  row.counters[0] = {1, 2};
  CHECK(Compared(mirror, {row}).empty());
}

TEST_CASE("what a comparison finds is all of the row, but for the extension that stays in its batch") {
  Mirror mirror;
  Flow row = Row(10, 1, 7);
  row.present |= conntrack::kHelper | conntrack::kTimeout;
  row.timeout = 100;
  row.extension = 3;
  FlowBatch changes;
  mirror.Begin();
  mirror.Compare(row, changes);
  mirror.End(changes);
  REQUIRE(changes.flows.size() == 1);
  CHECK(changes.flows[0].extension == 0);
  CHECK((changes.flows[0].present & conntrack::kExtended) == 0);
  CHECK((changes.flows[0].present & conntrack::kTimeout) != 0);
  CHECK(changes.flows[0].timeout == 100);
}

TEST_CASE("events during a comparison: the dump may tell of what has gone, or not yet of what has come") {
  Mirror mirror;
  for (const uint16_t i : {1, 2}) Take(mirror, Told(Event::kNew, i, i));
  FlowBatch changes;
  mirror.Begin();
  // Destroyed before its row is read, known or not: it does not reappear.
  CHECK(Take(mirror, Told(Event::kDestroy, 1, 1)) == Taken{true, ""});
  CHECK(Take(mirror, Told(Event::kDestroy, 9, 9)) == Taken{false, ""});
  // Created at a place that the dump has already passed: it is not reported as destroyed.
  CHECK(Take(mirror, Told(Event::kNew, 3, 3)) == Taken{false, ""});
  for (const Flow& row : {Row(1, 1), Row(2, 2), Row(9, 9)}) mirror.Compare(row, changes);
  // Destroyed after its row has been read.
  CHECK(Take(mirror, Told(Event::kDestroy, 2, 2)) == Taken{true, ""});
  mirror.End(changes);
  CHECK(Text(changes).empty());
  CHECK(mirror.size() == 1);
  // The next comparison starts afresh: the kernel reuses identifiers.
  CHECK(Compared(mirror, {Row(3, 3), Row(1, 1)}) == "new 1;");
}

TEST_CASE("a destroy when nothing is compared is not remembered") {
  Mirror mirror;
  Take(mirror, Told(Event::kNew, 1, 1));
  Take(mirror, Told(Event::kDestroy, 1, 1));
  CHECK(Compared(mirror, {Row(1, 1)}) == "new 1;");
}

// The kernel writes a datagram of the dump when the one before it is read, so its rows may be
// older than an event that is handled first.
TEST_CASE("an update during a comparison is not undone by an older row") {
  Mirror mirror;
  Take(mirror, Told(Event::kNew, 1, 1, 7));
  FlowBatch changes;
  mirror.Begin();
  CHECK(Take(mirror, Told(Event::kUpdate, 1, 1, 8)) == Taken{true, ""});
  mirror.Compare(Row(1, 1, 7), changes);
  mirror.End(changes);
  CHECK(Text(changes).empty());
}

TEST_CASE("the new of a flow that the table has shown already is an update, a second new is another flow") {
  Mirror mirror;
  Compared(mirror, {Told(Event::kListed, 10, 1)});
  FlowBatch missed;
  Flow flow = Told(Event::kNew, 10, 1);
  CHECK(mirror.Take(flow, missed));
  CHECK(flow.event == Event::kUpdate);
  CHECK(missed.flows.empty());
  Flow again = Told(Event::kNew, 10, 1);
  CHECK(mirror.Take(again, missed));
  CHECK(again.event == Event::kNew);
  REQUIRE(missed.flows.size() == 1);
  CHECK(missed.flows[0].event == Event::kDestroy);
}

TEST_CASE("a mark or labels that went back to zero unseen are one update, not one in each comparison") {
  Mirror mirror;
  Flow event = Told(Event::kNew, 10, 1, 7);
  event.labels[0] = 1;
  event.labels_length = 16;
  event.present |= conntrack::kLabels;
  CHECK(Take(mirror, event) == Taken{false, ""});
  // The kernel leaves labels out of a dump when all are zero.
  CHECK(Compared(mirror, {Row(10, 1)}) == "update 1;");
  CHECK(Compared(mirror, {Row(10, 1)}).empty());
}
