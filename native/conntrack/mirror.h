// The flows as the events so far describe them. After a loss of events, the difference to the table shows what was
// missed.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "conntrack/messages.h"

namespace conntrack {

class Mirror {
 public:
  // Records an event before it is delivered; returns true if the flow was known. Appends to `missed` the events that
  // this one implies: if another flow has taken a tuple, the previous flow was destroyed. Changes the "new" event of a
  // flow that the table has already shown to an update.
  bool Take(Flow& flow, FlowBatch& missed);

  // Starts a comparison with the table, which lasts until End(). Events may arrive in between.
  void Begin();
  // Compares a flow of the table; appends it to `changes` if it is new or has changed.
  void Compare(const Flow& flow, FlowBatch& changes);
  // Ends the comparison; appends the flows that are no longer in the table.
  void End(FlowBatch& changes);

  size_t size() const { return entries_.size(); }

 private:
  // Zone and original tuple: unique among the flows that exist.
  struct Key {
    Tuple tuple;
    uint64_t zone = 0;
    bool operator==(const Key& other) const;
  };
  struct HashKey {
    size_t operator()(const Key& key) const;
  };
  struct Entry {
    Tuple reply;
    uint32_t id = 0;
    uint32_t status = 0;
    uint32_t mark = 0;
    uint32_t generation = 0;
    Labels labels{};
    uint8_t state = 0;
    uint8_t labels_length = 0;
    uint16_t zone = 0;
    uint32_t present = 0;
    bool from_table = false;  // found in the table, and no event since
  };

  static Key KeyOf(const Flow& flow);
  static Flow Gone(const Key& key, const Entry& entry);
  void Put(const Key& key, const Flow& flow);

  std::unordered_map<Key, Entry, HashKey> entries_;
  // Ids of flows destroyed during a comparison: a dump shows the flows of the time when its datagram was written.
  std::unordered_set<uint32_t> destroyed_;
  uint32_t generation_ = 0;
  bool comparing_ = false;
};

}  // namespace conntrack
