#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "conntrack/messages.h"

namespace conntrack {

namespace {

using netlink::AttributeReader;
using netlink::View;

template <size_t Size>
void Copy(std::array<uint8_t, Size>& to, View from) {
  if (!from.empty()) std::memcpy(to.data(), from.data(), std::min(from.size(), Size));
}

template <size_t Size>
void Copy(std::array<char, Size>& to, std::string_view from) {
  std::copy_n(from.begin(), std::min(from.size(), Size - 1), to.begin());
}

// Reads an address of 4 or 16 bytes; a shorter one is malformed.
void DecodeAddress(AttributeReader& attribute, bool six, Address& address) {
  if (six) {
    address = attribute.Value<Address>();
  } else {
    const auto four = attribute.Value<uint32_t>();
    std::memcpy(address.data(), &four, sizeof four);
  }
}

void DecodeIp(AttributeReader attributes, Tuple& tuple) {
  while (attributes.Next()) {
    switch (attributes.type()) {
      case ip_attr::kSource4:
      case ip_attr::kSource6:
        DecodeAddress(attributes, attributes.type() == ip_attr::kSource6, tuple.source);
        tuple.family = attributes.type() == ip_attr::kSource4 ? AF_INET : AF_INET6;
        tuple.present |= kHasSource;
        break;
      case ip_attr::kDestination4:
      case ip_attr::kDestination6:
        DecodeAddress(attributes, attributes.type() == ip_attr::kDestination6, tuple.destination);
        tuple.family = attributes.type() == ip_attr::kDestination4 ? AF_INET : AF_INET6;
        tuple.present |= kHasDestination;
        break;
      default: break;
    }
  }
}

void DecodeProtocol(AttributeReader attributes, Tuple& tuple) {
  while (attributes.Next()) {
    switch (attributes.type()) {
      case proto_attr::kNumber:
        tuple.protocol = attributes.Value<uint8_t>();
        tuple.present |= kHasProtocol;
        break;
      case proto_attr::kSourcePort:
        tuple.source_port = attributes.Be16();
        tuple.present |= kHasSourcePort;
        break;
      case proto_attr::kDestinationPort:
        tuple.destination_port = attributes.Be16();
        tuple.present |= kHasDestinationPort;
        break;
      case proto_attr::kIcmpId:
      case proto_attr::kIcmp6Id:
        tuple.icmp_id = attributes.Be16();
        tuple.present |= kHasIcmp;
        break;
      case proto_attr::kIcmpType:
      case proto_attr::kIcmp6Type:
        tuple.icmp_type = attributes.Value<uint8_t>();
        tuple.present |= kHasIcmp;
        break;
      case proto_attr::kIcmpCode:
      case proto_attr::kIcmp6Code:
        tuple.icmp_code = attributes.Value<uint8_t>();
        tuple.present |= kHasIcmp;
        break;
      default: break;
    }
  }
}

void DecodeTuple(AttributeReader attributes, Tuple& tuple) {
  while (attributes.Next()) {
    switch (attributes.type()) {
      case tuple_attr::kIp: DecodeIp(attributes.Nested(), tuple); break;
      case tuple_attr::kProtocol: DecodeProtocol(attributes.Nested(), tuple); break;
      case tuple_attr::kZone:
        tuple.zone = attributes.Be16();
        tuple.present |= kHasZone;
        break;
      default: break;
    }
  }
}

void DecodeCounters(AttributeReader attributes, Counters& counters) {
  while (attributes.Next()) {
    if (attributes.type() == counter_attr::kPackets) counters.packets = attributes.Be64();
    if (attributes.type() == counter_attr::kBytes) counters.bytes = attributes.Be64();
  }
}

Triple DecodeTriple(AttributeReader attributes) {
  Triple triple;
  while (attributes.Next()) {
    if (attributes.type() == triple_attr::kFirst) triple.first = attributes.Be32();
    if (attributes.type() == triple_attr::kSecond) triple.second = attributes.Be32();
    if (attributes.type() == triple_attr::kThird) triple.third = attributes.Be32();
  }
  return triple;
}

// Decodes one flow. Adds an extension when a field needs one.
class FlowDecoder {
 public:
  FlowDecoder(FlowBatch& batch, Flow& flow) : batch_(batch), flow_(flow) {}

  void Field(AttributeReader& attribute) {
    switch (attribute.type()) {
      case attr::kTupleOriginal:
        DecodeTuple(attribute.Nested(), flow_.original);
        Has(kOriginal);
        break;
      case attr::kTupleReply:
        DecodeTuple(attribute.Nested(), flow_.reply);
        Has(kReply);
        break;
      case attr::kStatus: Set(flow_.status, attribute.Be32(), kStatus); break;
      case attr::kTimeout: Set(flow_.timeout, attribute.Be32(), kTimeout); break;
      case attr::kMark: Set(flow_.mark, attribute.Be32(), kMark); break;
      case attr::kUse: Set(flow_.use, attribute.Be32(), kUse); break;
      // The id is opaque: the kernel expects the same bytes back.
      case attr::kId: Set(flow_.id, attribute.Be32(), kId); break;
      case attr::kZone: Set(flow_.zone, attribute.Be16(), kZone); break;
      case attr::kEventTime: Set(flow_.event_time, attribute.Be64(), kEventTime); break;
      case attr::kCountersOriginal:
        DecodeCounters(attribute.Nested(), flow_.counters[0]);
        Has(kCountersOriginal);
        break;
      case attr::kCountersReply:
        DecodeCounters(attribute.Nested(), flow_.counters[1]);
        Has(kCountersReply);
        break;
      case attr::kTimestamp: Times(attribute.Nested()); break;
      case attr::kLabels:
        Copy(flow_.labels, attribute.payload());
        flow_.labels_length = static_cast<uint8_t>(std::min(attribute.payload().size(), flow_.labels.size()));
        Has(kLabels);
        break;
      case attr::kProtocolInfo: ProtocolInfo(attribute.Nested()); break;
      default: Rare(attribute); break;
    }
  }

 private:
  void Has(FlowField field) { flow_.present |= field; }

  template <typename T>
  void Set(T& to, T value, FlowField field) {
    to = value;
    Has(field);
  }

  Extension& extension() {
    if (flow_.extension == 0) {
      batch_.extensions.emplace_back();
      flow_.extension = static_cast<uint32_t>(batch_.extensions.size());
    }
    return batch_.extensions.back();
  }

  void Times(AttributeReader attributes) {
    while (attributes.Next()) {
      if (attributes.type() == time_attr::kStart) Set(flow_.start, attributes.Be64(), kStart);
      if (attributes.type() == time_attr::kStop) Set(flow_.stop, attributes.Be64(), kStop);
    }
  }

  void ProtocolInfo(AttributeReader attributes) {
    while (attributes.Next()) {
      switch (attributes.type()) {
        case info_attr::kTcp: Tcp(attributes.Nested()); break;
        case info_attr::kSctp: Sctp(attributes.Nested()); break;
        case info_attr::kDccp: Dccp(attributes.Nested()); break;
        default: break;
      }
    }
  }

  void Tcp(AttributeReader attributes) {
    while (attributes.Next()) {
      switch (attributes.type()) {
        case info_attr::kState: Set(flow_.state, attributes.Value<uint8_t>(), kState); break;
        case info_attr::kTcpScaleOriginal: Set(flow_.tcp_scale_original, attributes.Value<uint8_t>(), kTcp); break;
        case info_attr::kTcpScaleReply: Set(flow_.tcp_scale_reply, attributes.Value<uint8_t>(), kTcp); break;
        // A byte of flags, then a byte with their mask.
        case info_attr::kTcpFlagsOriginal: Set(flow_.tcp_flags_original, attributes.Value<uint8_t>(), kTcp); break;
        case info_attr::kTcpFlagsReply: Set(flow_.tcp_flags_reply, attributes.Value<uint8_t>(), kTcp); break;
        default: break;
      }
    }
  }

  void Sctp(AttributeReader attributes) {
    while (attributes.Next()) {
      switch (attributes.type()) {
        case info_attr::kState: Set(flow_.state, attributes.Value<uint8_t>(), kState); break;
        case info_attr::kSctpTagOriginal: Set(extension().sctp_tag_original, attributes.Be32(), kSctp); break;
        case info_attr::kSctpTagReply: Set(extension().sctp_tag_reply, attributes.Be32(), kSctp); break;
        default: break;
      }
    }
  }

  void Dccp(AttributeReader attributes) {
    while (attributes.Next()) {
      switch (attributes.type()) {
        case info_attr::kState: Set(flow_.state, attributes.Value<uint8_t>(), kState); break;
        case info_attr::kDccpRole: Set(extension().dccp_role, attributes.Value<uint8_t>(), kDccp); break;
        case info_attr::kDccpHandshake: Set(extension().dccp_handshake, attributes.Be64(), kDccp); break;
        default: break;
      }
    }
  }

  void Rare(AttributeReader& attribute) {
    switch (attribute.type()) {
      case attr::kHelper: {
        AttributeReader inner = attribute.Nested();
        while (inner.Next()) {
          if (inner.type() == kHelperName) Copy(extension().helper, inner.String());
        }
        Has(kHelper);
        break;
      }
      case attr::kTupleMaster:
        DecodeTuple(attribute.Nested(), extension().master);
        Has(kMaster);
        break;
      case attr::kSequenceOriginal:
        extension().sequence_original = DecodeTriple(attribute.Nested());
        Has(kSequenceOriginal);
        break;
      case attr::kSequenceReply:
        extension().sequence_reply = DecodeTriple(attribute.Nested());
        Has(kSequenceReply);
        break;
      case attr::kSynproxy: {
        // Every flow that a program created has this attribute; it is all zeros without a proxy.
        const Triple synproxy = DecodeTriple(attribute.Nested());
        if ((synproxy.first | synproxy.second | synproxy.third) == 0) break;
        extension().synproxy = synproxy;
        Has(kSynproxy);
        break;
      }
      case attr::kSecurityContext: {
        AttributeReader inner = attribute.Nested();
        while (inner.Next()) {
          if (inner.type() != kSecurityContextName) continue;
          const std::string_view name = inner.String();
          extension().text = static_cast<uint32_t>(batch_.text.size());
          extension().text_length = static_cast<uint32_t>(name.size());
          batch_.text += name;
        }
        Has(kSecurityContext);
        break;
      }
      default: break;
    }
    if ((flow_.present & kExtended) != 0) extension();
  }

  FlowBatch& batch_;
  Flow& flow_;
};

// Calls `field` for each attribute; returns false if the message is malformed.
template <typename Field>
bool ForEach(View payload, Field field) {
  bool malformed = payload.size() < sizeof(nfgenmsg);
  if (malformed) return false;
  AttributeReader attributes(payload.subspan(sizeof(nfgenmsg)), malformed);
  while (attributes.Next()) field(attributes);
  return !malformed;
}

}  // namespace

bool DecodeFlowBriefly(View payload, FlowBatch& batch) {
  batch.flows.emplace_back();
  FlowDecoder decoder(batch, batch.flows.back());
  const bool complete = ForEach(payload, [&](AttributeReader& attribute) {
    switch (attribute.type()) {
      case attr::kTupleOriginal:
      case attr::kTupleReply:
      case attr::kStatus:
      case attr::kMark:
      case attr::kZone:
      case attr::kCountersOriginal:
      case attr::kCountersReply: decoder.Field(attribute); break;
      default: break;
    }
  });
  if (!complete) batch.flows.pop_back();
  return complete;
}

bool DecodeFlow(View payload, FlowBatch& batch) {
  const size_t extensions = batch.extensions.size();
  const size_t text = batch.text.size();
  batch.flows.emplace_back();
  FlowDecoder decoder(batch, batch.flows.back());
  if (ForEach(payload, [&](AttributeReader& attribute) { decoder.Field(attribute); })) return true;
  batch.flows.pop_back();
  batch.extensions.resize(extensions);
  batch.text.resize(text);
  return false;
}

std::optional<Expectation> DecodeExpectation(View payload) {
  Expectation result;
  const bool complete = ForEach(payload, [&](AttributeReader& attribute) {
    switch (attribute.type()) {
      case expectation_attr::kMaster: DecodeTuple(attribute.Nested(), result.master); break;
      case expectation_attr::kTuple: DecodeTuple(attribute.Nested(), result.tuple); break;
      case expectation_attr::kMask: DecodeTuple(attribute.Nested(), result.mask); break;
      case expectation_attr::kTimeout: result.timeout = attribute.Be32(); break;
      case expectation_attr::kId: result.id = attribute.Be32(); break;
      case expectation_attr::kHelper: Copy(result.helper, attribute.String()); break;
      case expectation_attr::kZone: result.zone = attribute.Be16(); break;
      case expectation_attr::kFlags: result.flags = attribute.Be32(); break;
      case expectation_attr::kClass: result.expectation_class = attribute.Be32(); break;
      case expectation_attr::kFunction: Copy(result.function, attribute.String()); break;
      case expectation_attr::kNat: {
        result.has_nat = 1;
        AttributeReader inner = attribute.Nested();
        while (inner.Next()) {
          if (inner.type() == expectation_attr::kNatDirection) result.nat_direction = inner.Be32();
          if (inner.type() == expectation_attr::kNatTuple) DecodeTuple(inner.Nested(), result.nat);
        }
        break;
      }
      default: break;
    }
  });
  return complete ? std::optional(result) : std::nullopt;
}

std::optional<ProcessorStatistics> DecodeProcessorStatistics(View payload) {
  ProcessorStatistics result;
  const auto header = netlink::ReadAt<nfgenmsg>(payload);
  if (!header) return std::nullopt;
  result.processor = __builtin_bswap16(header->res_id);
  const bool complete = ForEach(payload, [&](AttributeReader& attribute) {
    if (attribute.type() >= result.values.size()) return;
    result.values.at(attribute.type()) = attribute.Be32();
    result.present |= 1U << attribute.type();
  });
  return complete ? std::optional(result) : std::nullopt;
}

std::optional<GlobalStatistics> DecodeGlobalStatistics(View payload) {
  GlobalStatistics result;
  const bool complete = ForEach(payload, [&](AttributeReader& attribute) {
    if (attribute.type() == 1) result.entries = attribute.Be32();  // CTA_STATS_GLOBAL_ENTRIES
    if (attribute.type() == 2) result.maximum = attribute.Be32();  // CTA_STATS_GLOBAL_MAX_ENTRIES
  });
  return complete ? std::optional(result) : std::nullopt;
}

}  // namespace conntrack
