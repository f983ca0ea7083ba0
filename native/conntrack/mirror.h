// What events have told so far, so that after a loss the difference to the table can be found.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "conntrack/messages.h"

namespace conntrack {

class Mirror {
 public:
  // Takes up an event, before it is handed on. Appends what it shows to have been missed: a flow
  // whose tuple has been taken by another has been destroyed. True if the flow was known. The "new"
  // of a flow that the table has shown already becomes an update.
  bool Take(Flow& flow, FlowBatch& missed);

  // The table is compared from Begin() to End(); events may come in between.
  void Begin();
  // A flow of the table: appends it to `changes` if it is new or has changed.
  void Compare(const Flow& flow, FlowBatch& changes);
  // Appends what is no longer in the table.
  void End(FlowBatch& changes);

  size_t size() const { return entries_.size(); }

 private:
  // Zone and original tuple: unique among the living.
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
    bool from_table = false;  // and no event has told of it since
  };

  static Key KeyOf(const Flow& flow);
  static Flow Gone(const Key& key, const Entry& entry);
  void Put(const Key& key, const Flow& flow);

  std::unordered_map<Key, Entry, HashKey> entries_;
  // Destroyed while the table is read: a dump tells of what was there when its datagram was written.
  std::unordered_set<uint32_t> destroyed_;
  uint32_t generation_ = 0;
  bool comparing_ = false;
};

}  // namespace conntrack
