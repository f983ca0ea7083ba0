// Feeds datagrams to all receivers, like a kernel that answers anything, in any order, and fails.
#pragma once

#include <linux/netlink.h>

#include <optional>

#include "conntrack/event_stream.h"
#include "conntrack/flow_dump.h"
#include "fuzz/feed.h"
#include "fuzz/input.h"
#include "netlink/channel.h"
#include "netlink/group_listener.h"
#include "netlink/io_pool.h"
#include "netlink/transaction.h"

namespace fuzz {

// Returns a strand whose threads have ended: all work runs in the fuzzer's thread.
inline netlink::Strand& StoppedStrand() {
  static netlink::IoPool pool;
  static const std::shared_ptr<netlink::Strand> strand = netlink::Strand::Create(pool);
  pool.Stop();
  return *strand;
}

inline netlink::Socket NewSocket() {
  auto socket = netlink::Socket::Open(NETLINK_ROUTE);
  Expect(socket.ok());
  return std::move(socket.value());
}

inline netlink::Batch Requests(uint32_t count) {
  netlink::MessageWriter writer;
  for (uint32_t i = 0; i < count; ++i) {
    writer.Begin(NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK);
    writer.End();
  }
  return writer.Take();
}

inline size_t WholeBytes(const std::deque<test::Datagram>& datagrams) {
  size_t size = 0;
  for (const auto& datagram : datagrams) {
    if (datagram.sender == 0 && !datagram.truncated && datagram.error == 0) size += datagram.bytes.size();
  }
  return size;
}

inline void FeedChannel(netlink::View bytes) {
  Input input(bytes);
  const auto flags = input.Take<uint8_t>();
  netlink::Strand& strand = StoppedStrand();
  netlink::Socket socket = NewSocket();
  const test::Script script(socket.fd(), input.Datagrams());
  auto channel = netlink::Channel::Create(strand, std::move(socket));
  int ended = 0;
  netlink::Exchange exchange;
  exchange.dump = (flags & 1) != 0;
  exchange.terse = (flags & 2) != 0 && !exchange.dump;
  exchange.tag = 7;
  const uint32_t count = exchange.dump ? 1 : 1 + (flags >> 2) * 3U;
  exchange.batch = Requests(count);
  exchange.on_reply = [](const netlink::Message& message) { FeedPayload(message.payload); };
  exchange.on_done = [&](const std::vector<netlink::Failure>& outcomes) {
    ++ended;
    Expect(outcomes.size() == count);
    for (const auto& outcome : outcomes) Expect(outcome.code >= 0 && outcome.code <= 4095);
  };
  channel->Submit(std::move(exchange));
  for (int i = 0; i < 8 && !script.empty(); ++i) strand.CallAll();
  if ((flags & 4) != 0) channel->Cancel(7);
  channel.reset();
  Expect(ended == 1);
}

inline void FeedTransaction(netlink::View bytes) {
  Input input(bytes);
  const uint32_t count = 1U + input.Take<uint8_t>();
  const netlink::Socket socket = NewSocket();
  const test::Script script(socket.fd(), input.Datagrams());
  netlink::Batch batch = Requests(count);
  auto verdict = netlink::Transact(socket, netlink::Strand::buffers(), batch, 1);
  if (!verdict.ok()) return Expect(verdict.failure().code != 0);
  Expect(verdict.value().outcomes.size() == count);
  for (const auto& outcome : verdict.value().outcomes) Expect(outcome.code >= 0 && outcome.code <= 4095);
}

inline void FeedGroupListener(netlink::View bytes) {
  netlink::Strand& strand = StoppedStrand();
  netlink::Socket socket = NewSocket();
  const auto datagrams = Input(bytes).Datagrams();
  const test::Script script(socket.fd(), datagrams);
  auto listener = netlink::GroupListener::Open(strand, std::move(socket), {1});
  Expect(listener.ok());
  size_t heard = 0;
  bool overrun = false;
  std::optional<netlink::Failure> failure;
  for (size_t i = 0; i < 2 * datagrams.size() + 2 && !failure; ++i) {
    strand.CallAll();
    listener.value()->Next(1, [&](netlink::Result<netlink::Heard> result) {
      if (!result.ok()) {
        failure = result.failure();
        return;
      }
      heard += result.value().messages.size();
      overrun = overrun || result.value().overrun;
    });
    listener.value()->Cancel(1);
    if (failure && failure->code == ECANCELED) failure.reset();
  }
  if (failure) return;
  // Every loss is reported.
  const bool lost = std::any_of(datagrams.begin(), datagrams.end(), [](const auto& datagram) {
    return datagram.error == ENOBUFS || (datagram.error == 0 && datagram.truncated && datagram.sender == 0);
  });
  Expect(heard == WholeBytes(datagrams));
  Expect(overrun == lost);
}

inline void CheckBatch(const conntrack::FlowBatch& batch) {
  for (const conntrack::Flow& flow : batch.flows) {
    Expect(flow.extension <= batch.extensions.size());
    Expect(flow.labels_length <= flow.labels.size());
  }
  for (const conntrack::Extension& extension : batch.extensions) {
    Expect(extension.text <= batch.text.size() && extension.text_length <= batch.text.size() - extension.text);
  }
}

inline void FeedFlowDump(netlink::View bytes) {
  Input input(bytes);
  const bool brief = (input.Take<uint8_t>() & 1) != 0;
  const auto filter = input.Take<conntrack::Filter>();
  netlink::Socket socket = NewSocket();
  const test::Script script(socket.fd(), input.Datagrams());
  const decltype(test::Calls::poll)::Fault idle(test::calls().poll,
                                                [](pollfd*, nfds_t, int) -> std::optional<int> { return 0; });
  conntrack::FlowDump dump(std::move(socket), conntrack::Command::kGet, filter, brief);
  conntrack::FlowBatch batch;
  for (int i = 0; i < 8 && !dump.ended(); ++i) {
    if (dump.Next(batch)) Expect(dump.ended());
    CheckBatch(batch);
    for (const conntrack::Flow& flow : batch.flows) Expect(conntrack::Matches(filter, flow) || dump.ended());
  }
}

inline void FeedEventStream(netlink::View bytes) {
  Input input(bytes);
  const auto flags = input.Take<uint8_t>();
  conntrack::EventOptions options;
  options.expectations = (flags & 1) != 0;
  options.resynchronise = (flags & 2) != 0;
  options.interval = 0;
  options.filter = input.Take<conntrack::Filter>();
  netlink::Strand& strand = StoppedStrand();
  netlink::Socket events = NewSocket();
  netlink::Socket dump = NewSocket();
  const auto datagrams = input.Datagrams();
  const test::Script script({{events.fd(), datagrams}, {dump.fd(), input.Datagrams(true)}});
  const decltype(test::Calls::poll)::Fault idle(test::calls().poll,
                                                [](pollfd*, nfds_t, int) -> std::optional<int> { return 0; });
  auto stream = conntrack::EventStream::Open(strand, std::move(events), std::move(dump), options);
  if (!stream.ok()) return Expect(stream.failure().code != 0);
  uint64_t overruns = 0;
  bool failed = false;
  for (size_t i = 0; i < datagrams.size() + 4 && !failed; ++i) {
    strand.CallAll();
    stream.value()->Next(1, [&](netlink::Result<conntrack::EventBatch> result) {
      if (!result.ok()) {
        failed = result.failure().code != ECANCELED;
        return;
      }
      const conntrack::EventBatch& batch = result.value();
      CheckBatch(batch.flows);
      for (const conntrack::Flow& flow : batch.flows.flows) {
        Expect(flow.event != conntrack::Event::kListed);
        if (flow.event == conntrack::Event::kOverrun) Expect(flow.counters[0].packets == ++overruns);
      }
      for (const auto& expectation : batch.expectations) Expect(expectation.position <= batch.flows.flows.size());
    });
    stream.value()->Cancel(1);
  }
}

}  // namespace fuzz
