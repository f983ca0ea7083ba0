#include "conntrack/aggregate.h"

#include <sys/socket.h>

#include <cstring>

namespace conntrack {

namespace {

uint64_t Hash(const GroupKey& key) {
  std::array<uint64_t, sizeof(GroupKey) / sizeof(uint64_t)> words{};
  std::memcpy(words.data(), &key, sizeof key);
  uint64_t hash = 0x9e3779b97f4a7c15U;
  for (const uint64_t word : words) {
    hash = (hash ^ word) * 0xff51afd7ed558ccdU;
    hash ^= hash >> 32;
  }
  return hash;
}

bool Same(const GroupKey& a, const GroupKey& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

GroupKey Aggregate::KeyOf(const Flow& flow) const {
  GroupKey key;
  const auto by = [this](GroupField field) { return (fields_ & field) != 0; };
  // Addresses are ambiguous without their family.
  if (by(kByFamily) || by(kBySource) || by(kByDestination) || by(kByReplySource)) key.family = flow.original.family;
  if (by(kByProtocol)) key.protocol = flow.original.protocol;
  if (by(kBySource)) key.source = flow.original.source;
  if (by(kByDestination)) key.destination = flow.original.destination;
  if (by(kBySourcePort)) key.source_port = flow.original.source_port;
  if (by(kByDestinationPort)) key.destination_port = flow.original.destination_port;
  if (by(kByReplySource)) key.reply_source = flow.reply.source;
  if (by(kByReplySourcePort)) key.reply_source_port = flow.reply.source_port;
  if (by(kByMark)) key.mark = flow.mark;
  if (by(kByZone)) key.zone = flow.zone;
  if (by(kByState)) {
    key.protocol = flow.original.protocol;  // the meaning of the state depends on it
    key.state = flow.state;
    key.has_state = (flow.present & kState) != 0 ? 1 : 0;
  }
  return key;
}

void Aggregate::Add(const Flow& flow) {
  if (groups_.size() * 2 >= slots_.size()) Grow();
  const GroupKey key = KeyOf(flow);
  const size_t mask = slots_.size() - 1;
  size_t at = Hash(key) & mask;
  while (slots_[at] != 0 && !Same(groups_[slots_[at] - 1].key, key)) at = (at + 1) & mask;
  if (slots_[at] == 0) {
    groups_.push_back({key});
    slots_[at] = static_cast<uint32_t>(groups_.size());
  }
  Group& group = groups_[slots_[at] - 1];
  ++group.flows;
  if ((flow.present & (kCountersOriginal | kCountersReply)) == 0) return;
  ++group.counted;
  for (size_t i = 0; i < group.counters.size(); ++i) {
    group.counters.at(i).packets += flow.counters.at(i).packets;
    group.counters.at(i).bytes += flow.counters.at(i).bytes;
  }
}

void Aggregate::Grow() {
  slots_.assign(slots_.size() * 4, 0);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < groups_.size(); ++i) {
    size_t at = Hash(groups_[i].key) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = static_cast<uint32_t>(i + 1);
  }
}

}  // namespace conntrack
