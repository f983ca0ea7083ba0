// All fuzz targets, that is, the readers of external data, with replies of real kernels as seeds.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "fuzz/feed_files.h"
#include "fuzz/feed_flows.h"
#include "fuzz/feed_sockets.h"
#include "test/bytes.h"
#include "test/conntrack_replies.h"
#include "test/replies.h"

namespace fuzz {

struct Target {
  const char* name;
  void (*feed)(netlink::View);
  std::vector<netlink::Bytes> (*seeds)();
};

inline std::vector<netlink::Bytes> Replies() {
  std::vector<netlink::Bytes> replies;
  for (const auto& recording : replies::kRecordings) {
    for (const auto& [name, hex] : recording.all()) replies.push_back(test::Hex(hex));
  }
  for (const auto& [name, hex] : conntrack_replies::kAll) replies.push_back(test::Hex(hex));
  return replies;
}

inline void Append(netlink::Bytes& to, netlink::View bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// Returns seeds with kHead zero bytes and one reply in a datagram; the last seed has all replies.
template <size_t kHead, bool kSecond = false>
std::vector<netlink::Bytes> Datagrams() {
  std::vector<netlink::Bytes> seeds;
  netlink::Bytes all(kHead);
  for (const auto& reply : Replies()) {
    for (const uint8_t sequence : {0, 1}) {
      const Input::Head head{0, sequence, static_cast<uint16_t>(reply.size())};
      netlink::Bytes seed(kHead);
      Append(seed, std::as_bytes(std::span(&head, 1)));
      Append(seed, reply);
      if (sequence == 0) Append(all, netlink::View(seed).subspan(kHead));
      if (kSecond) {
        const Input::Head second{Input::kSecond, 0, static_cast<uint16_t>(reply.size())};
        Append(seed, std::as_bytes(std::span(&second, 1)));
        Append(seed, reply);
        seed[0] = std::byte{3};
      }
      seeds.push_back(std::move(seed));
    }
  }
  seeds.push_back(std::move(all));
  return seeds;
}

// Returns seeds with kHead bytes, then records, each after kBetween bytes.
template <size_t kHead, size_t kBetween = 0>
std::vector<netlink::Bytes> Flows() {
  conntrack::FlowBatch batch;
  for (const auto& [name, hex] : conntrack_replies::kAll) {
    for (const auto& payload : test::Payloads(test::Hex(hex), 0x100)) conntrack::DecodeFlow(payload, batch);
  }
  std::vector<netlink::Bytes> seeds;
  netlink::Bytes all(kHead, std::byte{0xff});
  for (const conntrack::Flow& flow : batch.flows) {
    netlink::Bytes seed(kHead);
    for (size_t i = 0; i < kBetween; ++i) seed.push_back(static_cast<std::byte>(seeds.size()));
    Append(seed, std::as_bytes(std::span(&flow, 1)));
    Append(all, netlink::View(seed).subspan(kHead));
    seeds.push_back(std::move(seed));
  }
  seeds.push_back(std::move(all));
  return seeds;
}

// Returns seeds with a filter before the flows: by protocol, and by family, mark or both.
inline std::vector<netlink::Bytes> FilteredFlows() {
  std::vector<netlink::Bytes> seeds;
  for (const auto& flows : Flows<0>()) {
    for (const uint32_t present :
         {uint32_t{conntrack::kMark}, conntrack::kFamily, conntrack::kMark | conntrack::kFamily}) {
      conntrack::Filter filter;
      filter.present = present;
      filter.family = AF_INET;
      filter.mark_mask = 1;
      filter.original.tuple.protocol = 6;
      filter.original.tuple.present = conntrack::kHasProtocol;
      netlink::Bytes seed;
      Append(seed, std::as_bytes(std::span(&filter, 1)));
      Append(seed, flows);
      seeds.push_back(std::move(seed));
    }
  }
  return seeds;
}

inline std::vector<netlink::Bytes> Connections() {
  constexpr std::string_view kText =
      "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
      "TCP 7F000001 A39E 7F000001 0050 7F000001 1F90 CLOSE             9\n"
      "TCP 0000:0000:0000:0000:0000:0000:0000:0001 AE84 2001:0db8:0000:0000:0000:0000:0000:0080 0050 "
      "2001:0db8:0000:0000:0000:0000:0000:0001 1F90 ESTABLISHED     899\n"
      "UDP 0A00003C 0000 0A00003C 13C4 0A00003D 13C4 NONE             54 sip abc123@10.0.0.1\n";
  const auto bytes = std::as_bytes(std::span(kText));
  return {{bytes.begin(), bytes.end()}};
}

inline constexpr std::array kTargets{
    Target{"decoders", FeedDecoders, Replies},
    Target{"aggregate", FeedAggregate, Flows<4>},
    Target{"mirror", FeedMirror, Flows<0, 1>},
    Target{"event-filter", FeedEventFilter, FilteredFlows},
    Target{"event-stream", FeedEventStream, Datagrams<1 + sizeof(conntrack::Filter), true>},
    Target{"flow-dump", FeedFlowDump, Datagrams<1 + sizeof(conntrack::Filter)>},
    Target{"channel", FeedChannel, Datagrams<1>},
    Target{"transaction", FeedTransaction, Datagrams<1>},
    Target{"group-listener", FeedGroupListener, Datagrams<0>},
    Target{"connection-file", FeedConnectionFile, Connections},
};

}  // namespace fuzz
