// The table as a stream of flows, which the calling thread receives and decodes.
#pragma once

#include "conntrack/flow_reader.h"
#include "conntrack/raw_dump.h"

namespace conntrack {

// A dump that is stale before any flow of it was returned can start again unnoticed, but not for ever.
class Attempts {
 public:
  // Returns true if the dump may start again.
  bool Again(const RawDump& dump) { return dump.stale() && !handed_out_ && ++count_ < kMost; }
  void HandOut(const FlowBatch& batch) { handed_out_ = handed_out_ || !batch.empty(); }

 private:
  static constexpr int kMost = 20;

  int count_ = 0;
  bool handed_out_ = false;
};

class FlowDump {
 public:
  FlowDump(netlink::Socket socket, Command command, const Filter& filter, bool brief = false,
           BucketCount buckets = BucketCount())
      : dump_(std::move(socket), command, filter, std::move(buckets)), reader_(filter, brief) {}

  // Replaces the content of `batch` by further flows, possibly none before the end. Its limits and errors are those of
  // RawDump::Fill(); a dump that becomes stale starts again if no flow of it was returned.
  netlink::Failure Next(FlowBatch& batch);
  bool ended() const { return ended_; }
  // Starts again from the beginning, after the end or a failure.
  void Restart();

 private:
  RawDump dump_;
  FlowReader reader_;
  RawPiece piece_;
  Attempts attempts_;
  bool ended_ = false;
};

}  // namespace conntrack
