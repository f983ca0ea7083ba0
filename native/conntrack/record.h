// Records of connection tracking for the exchange with JavaScript; src/linux/conntrack/layout.ts has the same layout.
// Numbers are in host order (little-endian).
#pragma once

#include <array>
#include <cstdint>

namespace conntrack {

using Address = std::array<uint8_t, 16>;
using Labels = std::array<uint8_t, 16>;
using Name = std::array<char, 16>;

enum TupleField : uint8_t {
  kHasSource = 1,
  kHasDestination = 2,
  kHasProtocol = 4,
  kHasSourcePort = 8,  // or the key of GRE
  kHasDestinationPort = 16,
  kHasIcmp = 32,
  kHasZone = 64,
};

struct Tuple {
  Address source{};
  Address destination{};
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t icmp_id = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint16_t zone = 0;  // of this direction only
  uint8_t protocol = 0;
  uint8_t present = 0;  // of TupleField
  uint8_t family = 0;
  uint8_t unused[3] = {};
};
static_assert(sizeof(Tuple) == 48);

// Bits for the fields that a flow has: absent is not zero.
enum FlowField : uint32_t {
  kOriginal = 1U << 0,
  kReply = 1U << 1,
  kStatus = 1U << 2,
  kStatusMask = 1U << 3,
  kMark = 1U << 4,
  kMarkMask = 1U << 5,
  kTimeout = 1U << 6,
  kUse = 1U << 7,
  kId = 1U << 8,
  kZone = 1U << 9,
  kCountersOriginal = 1U << 10,
  kCountersReply = 1U << 11,
  kStart = 1U << 12,
  kStop = 1U << 13,
  kEventTime = 1U << 14,
  kLabels = 1U << 15,
  kState = 1U << 16,
  kTcp = 1U << 17,
  // In the extension:
  kHelper = 1U << 18,
  kMaster = 1U << 19,
  kNatSource = 1U << 20,
  kNatDestination = 1U << 21,
  kSequenceOriginal = 1U << 22,
  kSequenceReply = 1U << 23,
  kSynproxy = 1U << 24,
  kSecurityContext = 1U << 25,
  kSctp = 1U << 26,
  kDccp = 1U << 27,
  kLabelsMask = 1U << 28,
};
constexpr uint32_t kExtended = 0x1ffc0000;

enum class Event : uint8_t { kListed, kNew, kUpdate, kDestroy, kOverrun, kResynchronised };

struct Counters {
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

struct Flow {
  Tuple original;
  Tuple reply;
  uint32_t present = 0;  // of FlowField
  uint32_t id = 0;
  uint32_t status = 0;  // IPS_*
  uint32_t status_mask = 0;
  uint32_t mark = 0;
  uint32_t mark_mask = 0;
  uint32_t timeout = 0;  // s
  uint32_t use = 0;
  std::array<Counters, 2> counters{};  // original, reply; of kOverrun: number of overruns so far
  uint64_t start = 0;                  // ns since 1970
  uint64_t stop = 0;
  uint64_t event_time = 0;
  Labels labels{};
  uint16_t zone = 0;
  Event event = Event::kListed;
  uint8_t recovered = 0;  // found by a resynchronisation, not reported by an event
  uint8_t state = 0;      // of TCP, SCTP or DCCP
  uint8_t labels_length = 0;
  uint8_t tcp_scale_original = 0;
  uint8_t tcp_scale_reply = 0;
  uint8_t tcp_flags_original = 0;
  uint8_t tcp_flags_reply = 0;
  uint8_t unused[2] = {};
  uint32_t extension = 0;  // index in the batch + 1; 0: none
};
static_assert(sizeof(Flow) == 216);

struct NatRange {
  Address least{};
  Address most{};
  uint16_t port_least = 0;
  uint16_t port_most = 0;
};

struct Triple {
  uint32_t first = 0;
  uint32_t second = 0;
  uint32_t third = 0;
};

// Fields that few flows have.
struct Extension {
  Tuple master;
  NatRange nat_source;
  NatRange nat_destination;
  Triple sequence_original;  // where the offset changes, offset before, offset after
  Triple sequence_reply;
  Triple synproxy;  // initial sequence number, initial timestamp, timestamp offset
  Labels labels_mask{};
  uint32_t sctp_tag_original = 0;
  uint32_t sctp_tag_reply = 0;
  uint32_t text = 0;  // the security context, in the text of the batch
  uint32_t text_length = 0;
  uint64_t dccp_handshake = 0;
  Name helper{};
  uint8_t dccp_role = 0;
  uint8_t unused[7] = {};
};
static_assert(sizeof(Extension) == 224);

struct Expectation {
  Tuple tuple;
  Tuple mask;
  Tuple master;
  Tuple nat;
  uint32_t timeout = 0;
  uint32_t id = 0;
  uint32_t flags = 0;  // NF_CT_EXPECT_*
  uint32_t expectation_class = 0;
  uint32_t nat_direction = 0;
  uint16_t zone = 0;
  uint8_t has_nat = 0;
  Event event = Event::kListed;
  Name helper{};
  std::array<char, 32> function{};
  uint32_t position = 0;  // of an event: number of flow events before it in the batch
  uint32_t unused = 0;
};
static_assert(sizeof(Expectation) == 272);

// Conditions for a tuple. A field that is not in `present` matches every value.
struct TupleFilter {
  Tuple tuple;
  uint8_t source_prefix = 0;  // number of leading bits to compare
  uint8_t destination_prefix = 0;
  uint8_t unused[6] = {};
};

struct Filter {
  TupleFilter original;
  TupleFilter reply;
  uint32_t present = 0;  // kMark, kStatus, kZone, kState of FlowField, and kFamily
  uint32_t mark = 0;
  uint32_t mark_mask = 0;
  uint32_t status = 0;
  uint32_t status_mask = 0;
  uint16_t zone = 0;
  uint8_t family = 0;
  uint8_t state = 0;
  uint8_t here_only = 0;  // do not filter in the kernel
  uint8_t unused[7] = {};
};
constexpr uint32_t kFamily = 1U << 31;
static_assert(sizeof(Filter) == 144);

}  // namespace conntrack
