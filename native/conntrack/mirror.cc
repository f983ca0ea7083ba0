#include "conntrack/mirror.h"

#include <cstring>

namespace conntrack {

bool Mirror::Key::operator==(const Key& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }

size_t Mirror::HashKey::operator()(const Key& key) const {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(&key), sizeof key});
}

Mirror::Key Mirror::KeyOf(const Flow& flow) { return {flow.original, flow.zone}; }

Flow Mirror::Gone(const Key& key, const Entry& entry) {
  Flow flow;
  flow.original = key.tuple;
  flow.reply = entry.reply;
  flow.present = kOriginal | kReply | entry.present;
  flow.id = entry.id;
  flow.status = entry.status;
  flow.mark = entry.mark;
  flow.labels = entry.labels;
  flow.labels_length = entry.labels_length;
  flow.state = entry.state;
  flow.zone = entry.zone;
  flow.event = Event::kDestroy;
  flow.recovered = 1;
  return flow;
}

// Stores a flow. An event carries only the changed fields; the other fields keep their values.
void Mirror::Put(const Key& key, const Flow& flow) {
  Entry& entry = entries_[key];
  if (entry.id != flow.id) entry = {};
  constexpr uint32_t kKept = kStatus | kMark | kState | kLabels | kId | kZone;
  entry.reply = flow.reply;
  entry.id = flow.id;
  entry.zone = flow.zone;
  if ((flow.present & kStatus) != 0) entry.status = flow.status;
  if ((flow.present & kMark) != 0) entry.mark = flow.mark;
  if ((flow.present & kState) != 0) entry.state = flow.state;
  if ((flow.present & kLabels) != 0) {
    entry.labels = flow.labels;
    entry.labels_length = flow.labels_length;
  }
  entry.present |= flow.present & kKept;
  entry.generation = generation_;
}

bool Mirror::Take(Flow& flow, FlowBatch& missed) {
  const Key key = KeyOf(flow);
  const auto found = entries_.find(key);
  const bool known = found != entries_.end() && found->second.id == flow.id;
  if (flow.event == Event::kDestroy) {
    if (comparing_) destroyed_.insert(flow.id);
    if (known) entries_.erase(found);
    return known;
  }
  // The kernel reuses ids: a new flow is not the known flow with that id.
  if (flow.event == Event::kNew) destroyed_.erase(flow.id);
  if (flow.event == Event::kNew && known && found->second.from_table) flow.event = Event::kUpdate;
  const bool begins = flow.event == Event::kNew;
  if (found != entries_.end() && (!known || begins)) {
    missed.flows.push_back(Gone(key, found->second));
    entries_.erase(found);
  }
  Put(key, flow);
  entries_[key].from_table = false;
  return known;
}

void Mirror::Begin() {
  ++generation_;
  comparing_ = true;
  destroyed_.clear();
}

void Mirror::Compare(const Flow& flow, FlowBatch& changes) {
  if (destroyed_.contains(flow.id)) return;
  const Key key = KeyOf(flow);
  const auto found = entries_.find(key);
  const bool known = found != entries_.end() && found->second.id == flow.id;
  // An event during the comparison is newer than the row: the kernel writes a datagram of a dump when the previous one
  // is read.
  if (known && found->second.generation == generation_) return;
  Flow change = flow;
  change.extension = 0;  // it is in the batch of the dump, not in `changes`
  change.present &= ~kExtended;
  change.recovered = 1;
  if (!known) {
    if (found != entries_.end()) changes.flows.push_back(Gone(key, found->second));
    change.event = Event::kNew;
    changes.flows.push_back(change);
  } else {
    const Entry& entry = found->second;
    const bool same = entry.status == flow.status && entry.mark == flow.mark && entry.labels == flow.labels &&
                      ((entry.present & flow.present & kState) == 0 || entry.state == flow.state);
    if (!same) {
      change.event = Event::kUpdate;
      changes.flows.push_back(change);
    }
  }
  Put(key, flow);
  // A row of the table is complete: labels that it leaves out are zeros (ctnetlink_dump_labels).
  Entry& entry = entries_[key];
  entry.status = flow.status;
  entry.mark = flow.mark;
  entry.labels = flow.labels;
  entry.labels_length = flow.labels_length;
  if (!known) entry.from_table = true;
}

void Mirror::End(FlowBatch& changes) {
  comparing_ = false;
  destroyed_.clear();
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->second.generation == generation_) {
      ++it;
      continue;
    }
    changes.flows.push_back(Gone(it->first, it->second));
    it = entries_.erase(it);
  }
}

}  // namespace conntrack
