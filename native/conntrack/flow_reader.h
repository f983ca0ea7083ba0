// Decodes the flows of a dump that match a filter.
#pragma once

#include "conntrack/filter.h"
#include "conntrack/messages.h"
#include "netlink/error.h"

namespace conntrack {

class FlowReader {
 public:
  // `brief`: see DecodeFlowBriefly().
  explicit FlowReader(const Filter& filter, bool brief = false) : filter_(filter), brief_(brief) {}

  // Appends the flows of `messages` up to the end of the dump. EBADMSG: a flow is malformed.
  netlink::Failure Read(netlink::View messages, FlowBatch& batch) const;

 private:
  Filter filter_;
  bool brief_;
};

}  // namespace conntrack
