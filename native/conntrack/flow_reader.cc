#include "conntrack/flow_reader.h"

#include <cerrno>

namespace conntrack {

using netlink::Failure;
using netlink::Message;
using netlink::MessageReader;

Failure FlowReader::Read(netlink::View messages, FlowBatch& batch) const {
  batch.flows.reserve(batch.flows.size() + messages.size() / sizeof(Flow) + 1);
  MessageReader reader(messages);
  Message message;
  while (reader.Next(message) && message.header.nlmsg_type != NLMSG_DONE) {
    if (message.header.nlmsg_type < NLMSG_MIN_TYPE) continue;
    const size_t extensions = batch.extensions.size();
    const size_t text = batch.text.size();
    const bool decoded = brief_ ? DecodeFlowBriefly(message.payload, batch) : DecodeFlow(message.payload, batch);
    if (!decoded) return {EBADMSG, "malformed flow"};
    if (Matches(filter_, batch.flows.back())) continue;
    batch.flows.pop_back();
    batch.extensions.resize(extensions);
    batch.text.resize(text);
  }
  return {};
}

}  // namespace conntrack
