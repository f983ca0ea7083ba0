// The table as a stream of flows, received in one thread and decoded in another: receiving goes on while the flows
// before are decoded and used.
#pragma once

#include <functional>
#include <memory>

#include "conntrack/flow_dump.h"
#include "netlink/strand.h"

namespace conntrack {

class FlowPipe : public std::enable_shared_from_this<FlowPipe> {
 public:
  using Done = std::function<void(netlink::Result<FlowBatch>)>;

  // The flows are decoded in `strand`; call all methods there. Receives up to kAhead pieces ahead.
  static std::shared_ptr<FlowPipe> Open(netlink::Strand& strand, RawDump dump, const FlowReader& reader);
  ~FlowPipe();  // waits for a receive under way

  // Replaces the content of `batch` by further flows, as FlowDump::Next() does, and returns it. ECANCELED: the pipe was
  // closed. EBUSY: another call waits.
  void Next(FlowBatch batch, Done done);
  bool ended() const { return ended_; }
  // Starts again from the beginning, after the end or a failure.
  void Restart();

 private:
  class Receiver;

  FlowPipe(netlink::Strand& strand, RawDump dump, const FlowReader& reader);
  void Deliver();

  std::shared_ptr<Receiver> receiver_;
  FlowReader reader_;
  FlowBatch batch_;  // of the call that waits
  Done waiting_;
  bool ended_ = false;
};

}  // namespace conntrack
