// Feeds flows to all code that stores or matches them.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>

#include "conntrack/aggregate.h"
#include "conntrack/event_filter.h"
#include "conntrack/filter.h"
#include "conntrack/mirror.h"
#include "fuzz/feed.h"
#include "fuzz/input.h"

namespace fuzz {

template <typename T>
std::string Key(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline void FeedAggregate(netlink::View bytes) {
  Input input(bytes);
  const auto fields = input.Take<uint32_t>();
  conntrack::Aggregate aggregate(fields);
  uint64_t flows = 0;
  conntrack::Counters total;
  uint64_t counted = 0;
  while (!input.empty()) {
    const auto flow = input.Take<conntrack::Flow>();
    aggregate.Add(flow);
    ++flows;
    if ((flow.present & (conntrack::kCountersOriginal | conntrack::kCountersReply)) == 0) continue;
    ++counted;
    total.packets += flow.counters[0].packets;
    total.bytes += flow.counters[1].bytes;
  }
  std::set<std::string> keys;
  for (const conntrack::Group& group : aggregate.groups()) {
    Expect(keys.insert(Key(group.key)).second);
    Expect(group.flows > 0 && group.counted <= group.flows);
    flows -= group.flows;
    counted -= group.counted;
    total.packets -= group.counters[0].packets;
    total.bytes -= group.counters[1].bytes;
  }
  Expect(flows == 0 && counted == 0 && total.packets == 0 && total.bytes == 0);
}

// Feeds events and comparisons in any order; then compares the table twice: the second time finds nothing new.
inline void FeedMirror(netlink::View bytes) {
  Input input(bytes);
  conntrack::Mirror mirror;
  conntrack::FlowBatch changes;
  std::vector<conntrack::Flow> table;
  std::set<std::string> keys;
  bool comparing = false;
  while (!input.empty()) {
    const auto step = input.Take<uint8_t>();
    auto flow = input.Take<conntrack::Flow>();
    flow.event = static_cast<conntrack::Event>(1 + step / 8 % 3);
    const auto missed = changes.flows.size();
    switch (step % 4) {
      case 0: mirror.Take(flow, changes); break;
      case 1:
        mirror.Begin();
        comparing = true;
        break;
      case 2:
        if (comparing) mirror.Compare(flow, changes);
        break;
      default:
        if (comparing) mirror.End(changes);
        comparing = false;
    }
    for (size_t i = missed; i < changes.flows.size(); ++i) Expect(changes.flows[i].recovered == 1);
    if (keys.insert(Key(flow.original) + Key(flow.zone)).second) table.push_back(flow);
  }
  for (const bool again : {false, true}) {
    changes.Clear();
    mirror.Begin();
    for (const conntrack::Flow& flow : table) mirror.Compare(flow, changes);
    mirror.End(changes);
    Expect(mirror.size() == table.size());
    Expect(!again || changes.empty());
  }
}

// Runs the filter in the kernel, on a socket pair, which needs no privileges.
inline void FeedEventFilter(netlink::View bytes) {
  Input input(bytes);
  const auto filter = input.Take<conntrack::Filter>();
  std::vector<sock_filter> code = conntrack::EventFilter(filter);
  if (code.empty()) return;
  std::array<int, 2> ends{};
  Expect(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const netlink::FileDescriptor from(ends[0]);
  const netlink::FileDescriptor to(ends[1]);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  Expect(setsockopt(to.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
  for (int i = 0; i < 16 && !input.empty(); ++i) {
    conntrack::Change change;
    change.flow = input.Take<conntrack::Flow>();
    change.flow.present &= ~conntrack::kExtended;
    change.flow.original.family = (change.flow.original.family & 1) != 0 ? AF_INET6 : AF_INET;
    change.flow.reply.family = change.flow.original.family;
    // A decoded flow gets its family from its addresses.
    change.flow.original.present |= conntrack::kHasSource | conntrack::kHasDestination;
    netlink::MessageWriter writer;
    conntrack::EncodeChange(writer, change, 0);
    const netlink::Batch batch = writer.Take();
    conntrack::FlowBatch decoded;
    if (!conntrack::DecodeFlow(netlink::View(batch.bytes).subspan(NLMSG_HDRLEN), decoded)) continue;
    if (send(from.get(), batch.bytes.data(), batch.bytes.size(), MSG_DONTWAIT) < 0) continue;
    std::array<char, 4096> received{};
    const bool passed = recv(to.get(), received.data(), received.size(), MSG_DONTWAIT) > 0;
    // The kernel accepts at least what Matches() matches.
    Expect(passed || !conntrack::Matches(filter, decoded.flows[0]));
  }
}

}  // namespace fuzz
