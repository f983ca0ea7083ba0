#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "conntrack/messages.h"

namespace conntrack {

namespace {

using netlink::MessageWriter;

constexpr uint8_t kWholePrefix4 = 32;

void Begin(MessageWriter& writer, uint8_t subsystem, uint8_t command, uint8_t family, uint16_t flags) {
  writer.Begin(static_cast<uint16_t>(subsystem << 8 | command), NLM_F_REQUEST | flags);
  // A flush honours the family only with version 1 (ctnetlink_del_conntrack).
  writer.Fixed(nfgenmsg{family, 1, 0});
}

void Begin(MessageWriter& writer, Command command, uint8_t family, uint16_t flags) {
  Begin(writer, kSubsystem, static_cast<uint8_t>(command), family, flags);
}

std::span<const std::byte> AddressBytes(const Address& address, uint8_t family) {
  return std::as_bytes(std::span(address.data(), family == AF_INET6 ? 16 : 4));
}

template <size_t Size>
std::string_view Text(const std::array<char, Size>& name) {
  const std::string_view all(name.data(), name.size());
  return all.substr(0, all.find('\0'));
}

template <typename Content>
void Nest(MessageWriter& writer, uint16_t type, Content content) {
  const size_t nested = writer.BeginNested(type);
  content();
  writer.EndNested(nested);
}

void PutIp(MessageWriter& writer, const Tuple& tuple) {
  const bool six = tuple.family == AF_INET6;
  if ((tuple.present & kHasSource) != 0) {
    writer.Put(six ? ip_attr::kSource6 : ip_attr::kSource4, AddressBytes(tuple.source, tuple.family));
  }
  if ((tuple.present & kHasDestination) != 0) {
    writer.Put(six ? ip_attr::kDestination6 : ip_attr::kDestination4, AddressBytes(tuple.destination, tuple.family));
  }
}

void PutProtocol(MessageWriter& writer, const Tuple& tuple) {
  writer.PutValue(proto_attr::kNumber, tuple.protocol);
  if ((tuple.present & kHasSourcePort) != 0) writer.PutBe16(proto_attr::kSourcePort, tuple.source_port);
  if ((tuple.present & kHasDestinationPort) != 0) writer.PutBe16(proto_attr::kDestinationPort, tuple.destination_port);
  if ((tuple.present & kHasIcmp) == 0) return;
  const bool six = tuple.protocol == IPPROTO_ICMPV6;
  writer.PutBe16(six ? proto_attr::kIcmp6Id : proto_attr::kIcmpId, tuple.icmp_id);
  writer.PutValue(six ? proto_attr::kIcmp6Type : proto_attr::kIcmpType, tuple.icmp_type);
  writer.PutValue(six ? proto_attr::kIcmp6Code : proto_attr::kIcmpCode, tuple.icmp_code);
}

void PutTuple(MessageWriter& writer, uint16_t type, const Tuple& tuple) {
  Nest(writer, type, [&] {
    if ((tuple.present & (kHasSource | kHasDestination)) != 0) {
      Nest(writer, tuple_attr::kIp, [&] { PutIp(writer, tuple); });
    }
    if ((tuple.present & kHasProtocol) != 0) {
      Nest(writer, tuple_attr::kProtocol, [&] { PutProtocol(writer, tuple); });
    }
    if ((tuple.present & kHasZone) != 0) writer.PutBe16(tuple_attr::kZone, tuple.zone);
  });
}

void PutKey(MessageWriter& writer, const Flow& flow) {
  if ((flow.present & kOriginal) != 0) {
    PutTuple(writer, attr::kTupleOriginal, flow.original);
  } else {
    PutTuple(writer, attr::kTupleReply, flow.reply);
  }
  if ((flow.present & kZone) != 0) writer.PutBe16(attr::kZone, flow.zone);
}

uint8_t FamilyOf(const Flow& flow) {
  return (flow.present & kOriginal) != 0 ? flow.original.family : flow.reply.family;
}

void PutNat(MessageWriter& writer, uint16_t type, const NatRange& range, uint8_t family) {
  const bool six = family == AF_INET6;
  Nest(writer, type, [&] {
    writer.Put(six ? nat_attr::kLeast6 : nat_attr::kLeast4, AddressBytes(range.least, family));
    writer.Put(six ? nat_attr::kMost6 : nat_attr::kMost4, AddressBytes(range.most, family));
    if (range.port_least == 0 && range.port_most == 0) return;
    Nest(writer, nat_attr::kPorts, [&] {
      writer.PutBe16(nat_attr::kPortLeast, range.port_least);
      writer.PutBe16(nat_attr::kPortMost, range.port_most);
    });
  });
}

void PutTriple(MessageWriter& writer, uint16_t type, const Triple& triple) {
  Nest(writer, type, [&] {
    writer.PutBe32(triple_attr::kFirst, triple.first);
    writer.PutBe32(triple_attr::kSecond, triple.second);
    writer.PutBe32(triple_attr::kThird, triple.third);
  });
}

struct TcpFlags {
  uint8_t flags = 0;
  uint8_t mask = 0xff;
};

void PutProtocolInfo(MessageWriter& writer, const Flow& flow, const Extension& extension) {
  const uint8_t protocol = ((flow.present & kOriginal) != 0 ? flow.original : flow.reply).protocol;
  const bool tcp = protocol == IPPROTO_TCP;
  const bool sctp = protocol == IPPROTO_SCTP;
  Nest(writer, attr::kProtocolInfo, [&] {
    Nest(writer,
         tcp    ? info_attr::kTcp
         : sctp ? info_attr::kSctp
                : info_attr::kDccp,
         [&] {
           if ((flow.present & kState) != 0) writer.PutValue(info_attr::kState, flow.state);
           if (tcp && (flow.present & kTcp) != 0) {
             writer.PutValue(info_attr::kTcpScaleOriginal, flow.tcp_scale_original);
             writer.PutValue(info_attr::kTcpScaleReply, flow.tcp_scale_reply);
             writer.PutValue(info_attr::kTcpFlagsOriginal, TcpFlags{flow.tcp_flags_original});
             writer.PutValue(info_attr::kTcpFlagsReply, TcpFlags{flow.tcp_flags_reply});
           }
           // The kernel stores an absent attribute as zero: nlattr_to_sctp and nlattr_to_dccp set the whole group.
           if (sctp && (flow.present & kSctp) != 0) {
             writer.PutBe32(info_attr::kSctpTagOriginal, extension.sctp_tag_original);
             writer.PutBe32(info_attr::kSctpTagReply, extension.sctp_tag_reply);
           }
           if (!tcp && !sctp && (flow.present & kDccp) != 0) {
             writer.PutValue(info_attr::kDccpRole, extension.dccp_role);
             writer.PutBe64(info_attr::kDccpHandshake, extension.dccp_handshake);
           }
         });
  });
}

void PutLabels(MessageWriter& writer, uint16_t type, const Labels& labels) {
  writer.Put(type, std::as_bytes(std::span(labels)));
}

void PutContent(MessageWriter& writer, const Change& change) {
  const Flow& flow = change.flow;
  const Extension& extension = change.extension;
  const auto has = [&](FlowField field) { return (flow.present & field) != 0; };
  if (has(kStatus)) writer.PutBe32(attr::kStatus, flow.status);
  if (has(kTimeout)) writer.PutBe32(attr::kTimeout, flow.timeout);
  if (has(kMark)) writer.PutBe32(attr::kMark, flow.mark);
  if (has(kMark) && has(kMarkMask)) writer.PutBe32(attr::kMarkMask, flow.mark_mask);
  if (has(kState) || has(kTcp) || has(kSctp) || has(kDccp)) PutProtocolInfo(writer, flow, extension);
  if (has(kLabels)) PutLabels(writer, attr::kLabels, flow.labels);
  if (has(kLabels) && has(kLabelsMask)) PutLabels(writer, attr::kLabelsMask, extension.labels_mask);
  if (has(kHelper)) {
    Nest(writer, attr::kHelper, [&] { writer.PutString(kHelperName, Text(extension.helper)); });
  }
  if (has(kNatSource)) PutNat(writer, attr::kNatSource, extension.nat_source, flow.original.family);
  if (has(kNatDestination)) PutNat(writer, attr::kNatDestination, extension.nat_destination, flow.original.family);
  if (has(kMaster)) PutTuple(writer, attr::kTupleMaster, extension.master);
  if (has(kSequenceOriginal)) PutTriple(writer, attr::kSequenceOriginal, extension.sequence_original);
  if (has(kSequenceReply)) PutTriple(writer, attr::kSequenceReply, extension.sequence_reply);
  if (has(kSynproxy)) PutTriple(writer, attr::kSynproxy, extension.synproxy);
}

// Returns the parts of a tuple that the kernel compares. Leaves out IPv6 addresses: the kernel, up to 6.18 at least,
// inverts their comparison (ctnetlink_filter_match_tuple). Leaves out ports without a protocol: the kernel cannot parse
// them.
uint32_t KernelFlags(const TupleFilter& filter) {
  const Tuple& tuple = filter.tuple;
  const bool four = tuple.family == AF_INET;
  uint32_t flags = 0;
  if (four && (tuple.present & kHasSource) != 0 && filter.source_prefix == kWholePrefix4) {
    flags |= filter_attr::kSource;
  }
  if (four && (tuple.present & kHasDestination) != 0 && filter.destination_prefix == kWholePrefix4) {
    flags |= filter_attr::kDestination;
  }
  if ((tuple.present & kHasProtocol) == 0) return flags;
  flags |= filter_attr::kProtocol;
  if ((tuple.present & kHasSourcePort) != 0) flags |= filter_attr::kSourcePort;
  if ((tuple.present & kHasDestinationPort) != 0) flags |= filter_attr::kDestinationPort;
  return flags;
}

// Returns the tuple with only the flagged parts.
Tuple Flagged(const TupleFilter& filter, uint32_t flags) {
  Tuple tuple = filter.tuple;
  tuple.present = 0;
  if ((flags & filter_attr::kSource) != 0) tuple.present |= kHasSource;
  if ((flags & filter_attr::kDestination) != 0) tuple.present |= kHasDestination;
  if ((flags & filter_attr::kProtocol) != 0) tuple.present |= kHasProtocol;
  if ((flags & filter_attr::kSourcePort) != 0) tuple.present |= kHasSourcePort;
  if ((flags & filter_attr::kDestinationPort) != 0) tuple.present |= kHasDestinationPort;
  return tuple;
}

void PutTupleFilters(MessageWriter& writer, const Filter& filter) {
  // The kernel rejects a tuple filter without a family (ctnetlink_parse_tuple_filter).
  if ((filter.present & kFamily) == 0) return;
  const uint32_t original = KernelFlags(filter.original);
  const uint32_t reply = KernelFlags(filter.reply);
  if (original == 0 && reply == 0) return;
  if (original != 0) PutTuple(writer, attr::kTupleOriginal, Flagged(filter.original, original));
  if (reply != 0) PutTuple(writer, attr::kTupleReply, Flagged(filter.reply, reply));
  Nest(writer, attr::kFilter, [&] {
    // The flags are in host order, unlike all other numbers of ctnetlink.
    if (original != 0) writer.PutValue(filter_attr::kOriginalFlags, original);
    if (reply != 0) writer.PutValue(filter_attr::kReplyFlags, reply);
  });
}

}  // namespace

bool NamesFlow(const Flow& flow) {
  const Tuple& tuple = (flow.present & kOriginal) != 0 ? flow.original : flow.reply;
  constexpr uint8_t kAll = kHasSource | kHasDestination | kHasProtocol;
  return (flow.present & (kOriginal | kReply)) != 0 && (tuple.present & kAll) == kAll;
}

void EncodeChange(MessageWriter& writer, const Change& change, uint16_t flags) {
  const Flow& flow = change.flow;
  switch (change.verb) {
    case Verb::kCreate:
      Begin(writer, Command::kNew, flow.original.family, NLM_F_CREATE | NLM_F_EXCL | flags);
      PutTuple(writer, attr::kTupleOriginal, flow.original);
      PutTuple(writer, attr::kTupleReply, flow.reply);
      if ((flow.present & kZone) != 0) writer.PutBe16(attr::kZone, flow.zone);
      PutContent(writer, change);
      break;
    case Verb::kUpdate:
      Begin(writer, Command::kNew, FamilyOf(flow), flags);
      PutKey(writer, flow);
      PutContent(writer, change);
      break;
    case Verb::kDelete:
      Begin(writer, Command::kDelete, FamilyOf(flow), flags);
      PutKey(writer, flow);
      if ((flow.present & kId) != 0) writer.PutBe32(attr::kId, flow.id);
      break;
  }
  writer.End();
}

void EncodeGet(MessageWriter& writer, Command command, const Flow& key) {
  // The reply has no end marker, so the request asks for an acknowledgement.
  Begin(writer, command, FamilyOf(key), NLM_F_ACK);
  PutKey(writer, key);
  writer.End();
}

void EncodeDump(MessageWriter& writer, Command command, const Filter& filter) {
  const bool family = (filter.present & kFamily) != 0;
  Begin(writer, command, family ? filter.family : AF_UNSPEC, NLM_F_DUMP);
  if (filter.here_only == 0 && command != Command::kGetDying) {
    if ((filter.present & kMark) != 0) {
      writer.PutBe32(attr::kMark, filter.mark);
      writer.PutBe32(attr::kMarkMask, filter.mark_mask);
    }
    if ((filter.present & kStatus) != 0) {
      writer.PutBe32(attr::kStatus, filter.status);
      writer.PutBe32(attr::kStatusMask, filter.status_mask);
    }
    // Kernels before 6.8 ignore the zone; later kernels treat 0 as any zone.
    if ((filter.present & kZone) != 0 && filter.zone != 0) writer.PutBe16(attr::kZone, filter.zone);
    PutTupleFilters(writer, filter);
  }
  writer.End();
}

void EncodeFlush(MessageWriter& writer, uint8_t family) {
  Begin(writer, Command::kDelete, family, NLM_F_ACK);
  writer.End();
}

void EncodePlain(MessageWriter& writer, Command command, uint16_t flags) {
  Begin(writer, command, AF_UNSPEC, flags);
  writer.End();
}

void EncodeExpectation(MessageWriter& writer, const Expectation& expectation) {
  Begin(writer, kExpectationSubsystem, static_cast<uint8_t>(ExpectationCommand::kNew), expectation.tuple.family,
        NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
  PutTuple(writer, expectation_attr::kMaster, expectation.master);
  PutTuple(writer, expectation_attr::kTuple, expectation.tuple);
  PutTuple(writer, expectation_attr::kMask, expectation.mask);
  writer.PutBe32(expectation_attr::kTimeout, expectation.timeout);
  writer.PutBe32(expectation_attr::kFlags, expectation.flags);
  writer.PutBe32(expectation_attr::kClass, expectation.expectation_class);
  if (expectation.zone != 0) writer.PutBe16(expectation_attr::kZone, expectation.zone);
  if (expectation.helper[0] != '\0') writer.PutString(expectation_attr::kHelper, Text(expectation.helper));
  if (expectation.function[0] != '\0') writer.PutString(expectation_attr::kFunction, Text(expectation.function));
  if (expectation.has_nat != 0) {
    Nest(writer, expectation_attr::kNat, [&] {
      writer.PutBe32(expectation_attr::kNatDirection, expectation.nat_direction);
      PutTuple(writer, expectation_attr::kNatTuple, expectation.nat);
    });
  }
  writer.End();
}

void EncodeDeleteExpectation(MessageWriter& writer, const Expectation& key) {
  Begin(writer, kExpectationSubsystem, static_cast<uint8_t>(ExpectationCommand::kDelete), key.tuple.family, NLM_F_ACK);
  PutTuple(writer, expectation_attr::kTuple, key.tuple);
  if (key.zone != 0) writer.PutBe16(expectation_attr::kZone, key.zone);
  if (key.id != 0) writer.PutBe32(expectation_attr::kId, key.id);
  writer.End();
}

void EncodeDumpExpectations(MessageWriter& writer, uint8_t family) {
  Begin(writer, kExpectationSubsystem, static_cast<uint8_t>(ExpectationCommand::kGet), family, NLM_F_DUMP);
  writer.End();
}

void EncodeFlushExpectations(MessageWriter& writer) {
  Begin(writer, kExpectationSubsystem, static_cast<uint8_t>(ExpectationCommand::kDelete), AF_UNSPEC, NLM_F_ACK);
  writer.End();
}

void EncodeExpectationStatistics(MessageWriter& writer) {
  Begin(writer, kExpectationSubsystem, static_cast<uint8_t>(ExpectationCommand::kGetStatisticsByProcessor), AF_UNSPEC,
        NLM_F_DUMP);
  writer.End();
}

}  // namespace conntrack
