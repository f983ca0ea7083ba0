#include "binding/conntrack_layout.h"

#include <cstddef>

#include "conntrack/aggregate.h"
#include "conntrack/messages.h"

namespace binding {

using conntrack::Change;
using conntrack::Expectation;
using conntrack::Extension;
using conntrack::Filter;
using conntrack::Flow;
using conntrack::Group;
using conntrack::GroupKey;
using conntrack::NatRange;
using conntrack::ProcessorStatistics;
using conntrack::Tuple;
using conntrack::TupleFilter;

Napi::Object ConntrackLayout(Napi::Env env) {
  const Napi::Object layout = Napi::Object::New(env);
  const auto set = [&](const char* name, size_t value) { layout.Set(name, static_cast<uint32_t>(value)); };
  set("tuple.size", sizeof(Tuple));
  set("tuple.source", offsetof(Tuple, source));
  set("tuple.destination", offsetof(Tuple, destination));
  set("tuple.sourcePort", offsetof(Tuple, source_port));
  set("tuple.destinationPort", offsetof(Tuple, destination_port));
  set("tuple.icmpId", offsetof(Tuple, icmp_id));
  set("tuple.icmpType", offsetof(Tuple, icmp_type));
  set("tuple.icmpCode", offsetof(Tuple, icmp_code));
  set("tuple.zone", offsetof(Tuple, zone));
  set("tuple.protocol", offsetof(Tuple, protocol));
  set("tuple.present", offsetof(Tuple, present));
  set("tuple.family", offsetof(Tuple, family));
  set("flow.size", sizeof(Flow));
  set("flow.original", offsetof(Flow, original));
  set("flow.reply", offsetof(Flow, reply));
  set("flow.present", offsetof(Flow, present));
  set("flow.id", offsetof(Flow, id));
  set("flow.status", offsetof(Flow, status));
  set("flow.statusMask", offsetof(Flow, status_mask));
  set("flow.mark", offsetof(Flow, mark));
  set("flow.markMask", offsetof(Flow, mark_mask));
  set("flow.timeout", offsetof(Flow, timeout));
  set("flow.use", offsetof(Flow, use));
  set("flow.counters", offsetof(Flow, counters));
  set("flow.start", offsetof(Flow, start));
  set("flow.stop", offsetof(Flow, stop));
  set("flow.eventTime", offsetof(Flow, event_time));
  set("flow.labels", offsetof(Flow, labels));
  set("flow.zone", offsetof(Flow, zone));
  set("flow.event", offsetof(Flow, event));
  set("flow.recovered", offsetof(Flow, recovered));
  set("flow.state", offsetof(Flow, state));
  set("flow.labelsLength", offsetof(Flow, labels_length));
  set("flow.tcpScaleOriginal", offsetof(Flow, tcp_scale_original));
  set("flow.tcpScaleReply", offsetof(Flow, tcp_scale_reply));
  set("flow.tcpFlagsOriginal", offsetof(Flow, tcp_flags_original));
  set("flow.tcpFlagsReply", offsetof(Flow, tcp_flags_reply));
  set("flow.extension", offsetof(Flow, extension));
  set("extension.size", sizeof(Extension));
  set("extension.master", offsetof(Extension, master));
  set("extension.natSource", offsetof(Extension, nat_source));
  set("extension.natDestination", offsetof(Extension, nat_destination));
  set("extension.sequenceOriginal", offsetof(Extension, sequence_original));
  set("extension.sequenceReply", offsetof(Extension, sequence_reply));
  set("extension.synproxy", offsetof(Extension, synproxy));
  set("extension.labelsMask", offsetof(Extension, labels_mask));
  set("extension.sctpTagOriginal", offsetof(Extension, sctp_tag_original));
  set("extension.sctpTagReply", offsetof(Extension, sctp_tag_reply));
  set("extension.text", offsetof(Extension, text));
  set("extension.textLength", offsetof(Extension, text_length));
  set("extension.dccpHandshake", offsetof(Extension, dccp_handshake));
  set("extension.helper", offsetof(Extension, helper));
  set("extension.dccpRole", offsetof(Extension, dccp_role));
  set("natRange.size", sizeof(NatRange));
  set("natRange.least", offsetof(NatRange, least));
  set("natRange.most", offsetof(NatRange, most));
  set("natRange.portLeast", offsetof(NatRange, port_least));
  set("natRange.portMost", offsetof(NatRange, port_most));
  set("expectation.size", sizeof(Expectation));
  set("expectation.tuple", offsetof(Expectation, tuple));
  set("expectation.mask", offsetof(Expectation, mask));
  set("expectation.master", offsetof(Expectation, master));
  set("expectation.nat", offsetof(Expectation, nat));
  set("expectation.timeout", offsetof(Expectation, timeout));
  set("expectation.id", offsetof(Expectation, id));
  set("expectation.flags", offsetof(Expectation, flags));
  set("expectation.expectationClass", offsetof(Expectation, expectation_class));
  set("expectation.natDirection", offsetof(Expectation, nat_direction));
  set("expectation.zone", offsetof(Expectation, zone));
  set("expectation.hasNat", offsetof(Expectation, has_nat));
  set("expectation.event", offsetof(Expectation, event));
  set("expectation.helper", offsetof(Expectation, helper));
  set("expectation.function", offsetof(Expectation, function));
  set("expectation.position", offsetof(Expectation, position));
  set("tupleFilter.size", sizeof(TupleFilter));
  set("tupleFilter.tuple", offsetof(TupleFilter, tuple));
  set("tupleFilter.sourcePrefix", offsetof(TupleFilter, source_prefix));
  set("tupleFilter.destinationPrefix", offsetof(TupleFilter, destination_prefix));
  set("filter.size", sizeof(Filter));
  set("filter.original", offsetof(Filter, original));
  set("filter.reply", offsetof(Filter, reply));
  set("filter.present", offsetof(Filter, present));
  set("filter.mark", offsetof(Filter, mark));
  set("filter.markMask", offsetof(Filter, mark_mask));
  set("filter.status", offsetof(Filter, status));
  set("filter.statusMask", offsetof(Filter, status_mask));
  set("filter.zone", offsetof(Filter, zone));
  set("filter.family", offsetof(Filter, family));
  set("filter.state", offsetof(Filter, state));
  set("filter.hereOnly", offsetof(Filter, here_only));
  set("change.size", sizeof(Change));
  set("change.verb", offsetof(Change, verb));
  set("change.flow", offsetof(Change, flow));
  set("change.extension", offsetof(Change, extension));
  set("groupKey.size", sizeof(GroupKey));
  set("groupKey.source", offsetof(GroupKey, source));
  set("groupKey.destination", offsetof(GroupKey, destination));
  set("groupKey.replySource", offsetof(GroupKey, reply_source));
  set("groupKey.mark", offsetof(GroupKey, mark));
  set("groupKey.sourcePort", offsetof(GroupKey, source_port));
  set("groupKey.destinationPort", offsetof(GroupKey, destination_port));
  set("groupKey.replySourcePort", offsetof(GroupKey, reply_source_port));
  set("groupKey.zone", offsetof(GroupKey, zone));
  set("groupKey.protocol", offsetof(GroupKey, protocol));
  set("groupKey.family", offsetof(GroupKey, family));
  set("groupKey.state", offsetof(GroupKey, state));
  set("groupKey.hasState", offsetof(GroupKey, has_state));
  set("group.size", sizeof(Group));
  set("group.key", offsetof(Group, key));
  set("group.flows", offsetof(Group, flows));
  set("group.counted", offsetof(Group, counted));
  set("group.counters", offsetof(Group, counters));
  set("processor.size", sizeof(ProcessorStatistics));
  set("processor.processor", offsetof(ProcessorStatistics, processor));
  set("processor.present", offsetof(ProcessorStatistics, present));
  set("processor.values", offsetof(ProcessorStatistics, values));
  return layout;
}

}  // namespace binding
