// Computes totals of the flows, grouped by some of their fields, without an object per flow.
#pragma once

#include <vector>

#include "conntrack/messages.h"

namespace conntrack {

enum GroupField : uint32_t {
  kByProtocol = 1U << 0,
  kBySource = 1U << 1,
  kByDestination = 1U << 2,
  kBySourcePort = 1U << 3,
  kByDestinationPort = 1U << 4,
  kByReplySource = 1U << 5,
  kByReplySourcePort = 1U << 6,
  kByMark = 1U << 7,
  kByZone = 1U << 8,
  kByState = 1U << 9,
  kByFamily = 1U << 10,
};

// The fields by which flows are grouped; a field that is not requested is zero. Keys are compared as bytes, so the
// struct has no padding.
struct GroupKey {
  Address source{};
  Address destination{};
  Address reply_source{};
  uint32_t mark = 0;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t reply_source_port = 0;
  uint16_t zone = 0;
  uint8_t protocol = 0;
  uint8_t family = 0;
  uint8_t state = 0;
  uint8_t has_state = 0;
};
static_assert(sizeof(GroupKey) == 64);

struct Group {
  GroupKey key;
  uint64_t flows = 0;
  uint64_t counted = 0;  // number of flows with counters
  std::array<Counters, 2> counters{};
};
static_assert(sizeof(Group) == 112);

class Aggregate {
 public:
  explicit Aggregate(uint32_t fields) : fields_(fields), slots_(1024, 0) {}

  void Add(const Flow& flow);
  const std::vector<Group>& groups() const { return groups_; }

 private:
  GroupKey KeyOf(const Flow& flow) const;
  void Grow();

  uint32_t fields_;
  std::vector<Group> groups_;
  std::vector<uint32_t> slots_;  // index in `groups_` + 1, or 0; the size is a power of two
};

}  // namespace conntrack
