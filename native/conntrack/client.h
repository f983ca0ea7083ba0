// Connection tracking over one channel: single flows, changes, statistics, expectations. Use it in one strand
// only. Dumps of the table and events use separate sockets (flow_dump.h, event_stream.h).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "conntrack/messages.h"
#include "netlink/request.h"

namespace conntrack {

class Client {
 public:
  template <typename T>
  using Done = netlink::Done<T>;

  explicit Client(std::shared_ptr<netlink::Channel> channel) : channel_(std::move(channel)) {}

  // Reads one flow, by its original or its reply tuple.
  void Get(uint32_t tag, const Flow& key, Done<FlowBatch> done);
  // Reads the flows that exist, and resets their counters. It does not use a dump: if a flow does not fit a datagram,
  // the kernel has already reset its counters, and reports zeros in the next one (ctnetlink_dump_acct).
  void Zero(uint32_t tag, const std::vector<Flow>& keys, Done<FlowBatch> done);
  // Returns one outcome per change, in order. A failed change does not stop the following ones.
  void Apply(uint32_t tag, const std::vector<Change>& changes, Done<std::vector<netlink::Failure>> done);
  void Flush(uint32_t tag, uint8_t family, Done<bool> done);
  void ProcessorStatistics(uint32_t tag, Done<std::vector<conntrack::ProcessorStatistics>> done);
  void GlobalStatistics(uint32_t tag, Done<conntrack::GlobalStatistics> done);
  void ExpectationStatistics(uint32_t tag, Done<std::vector<conntrack::ProcessorStatistics>> done);

  void ListExpectations(uint32_t tag, uint8_t family, Done<std::vector<Expectation>> done);
  void CreateExpectation(uint32_t tag, const Expectation& expectation, Done<bool> done);
  void DeleteExpectation(uint32_t tag, const Expectation& key, Done<bool> done);
  void FlushExpectations(uint32_t tag, Done<bool> done);

  void Cancel(uint32_t tag) { channel_->Cancel(tag); }

 private:
  std::shared_ptr<netlink::Channel> channel_;
};

}  // namespace conntrack
