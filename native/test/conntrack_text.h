// Formats records as text, so that a test compares a whole flow at once: the present fields, in order. A field that is
// not present but has a value is marked with "!".
#pragma once

#include <arpa/inet.h>

#include <sstream>
#include <string>

#include "conntrack/messages.h"
#include "test/bytes.h"

namespace test {

inline std::string AddressText(const conntrack::Address& address, uint8_t family) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family, address.data(), text.data(), text.size());
  return text.data();
}

class Words {
 public:
  template <typename T>
  Words& Add(bool present, const char* name, T value) {
    if (present || value != T{}) text_ << (present ? " " : " !") << name << "=" << value;
    return *this;
  }
  template <typename Number>
  Words& Hex(bool present, const char* name, Number value) {
    if (present || value != 0)
      text_ << (present ? " " : " !") << name << "=" << std::hex << uint64_t{value} << std::dec;
    return *this;
  }
  std::string Take() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

inline std::string Text(const conntrack::Tuple& tuple) {
  const auto has = [&](conntrack::TupleField field) { return (tuple.present & field) != 0; };
  const auto address = [&](bool present, const conntrack::Address& value) {
    const bool zero = value == conntrack::Address{};
    return present ? AddressText(value, tuple.family) : zero ? std::string("-") : "!" + AddressText(value, AF_INET6);
  };
  Words words;
  words.Add(has(conntrack::kHasProtocol), "protocol", int{tuple.protocol});
  words.Add(has(conntrack::kHasSourcePort), "sport", tuple.source_port);
  words.Add(has(conntrack::kHasDestinationPort), "dport", tuple.destination_port);
  words.Add(has(conntrack::kHasIcmp), "icmp-id", tuple.icmp_id);
  words.Add(has(conntrack::kHasIcmp), "type", int{tuple.icmp_type});
  words.Add(has(conntrack::kHasIcmp), "code", int{tuple.icmp_code});
  words.Add(has(conntrack::kHasZone), "zone", tuple.zone);
  return address(has(conntrack::kHasSource), tuple.source) + ">" +
         address(has(conntrack::kHasDestination), tuple.destination) + words.Take();
}

inline std::string Text(const conntrack::Triple& triple) {
  return std::to_string(triple.first) + "," + std::to_string(triple.second) + "," + std::to_string(triple.third);
}

// Formats all fields except the tuples and the extension.
inline std::string Text(const conntrack::Flow& flow) {
  const auto has = [&](conntrack::FlowField field) { return (flow.present & field) != 0; };
  const auto counted = [&](int way, bool present, const char* packets, const char* bytes, Words& words) {
    words.Add(present, packets, flow.counters.at(way).packets).Add(present, bytes, flow.counters.at(way).bytes);
  };
  Words words;
  words.Hex(has(conntrack::kId), "id", flow.id).Hex(has(conntrack::kStatus), "status", flow.status);
  words.Add(has(conntrack::kStatusMask), "status-mask", flow.status_mask);
  words.Hex(has(conntrack::kMark), "mark", flow.mark).Add(has(conntrack::kMarkMask), "mark-mask", flow.mark_mask);
  words.Add(has(conntrack::kTimeout), "timeout", flow.timeout).Add(has(conntrack::kUse), "use", flow.use);
  words.Add(has(conntrack::kZone), "zone", flow.zone);
  counted(0, has(conntrack::kCountersOriginal), "packets", "bytes", words);
  counted(1, has(conntrack::kCountersReply), "reply-packets", "reply-bytes", words);
  words.Hex(has(conntrack::kStart), "start", flow.start).Hex(has(conntrack::kStop), "stop", flow.stop);
  words.Hex(has(conntrack::kEventTime), "event-time", flow.event_time);
  if (has(conntrack::kLabels)) {
    words.Add(true, "labels", ToHex(std::as_bytes(std::span(flow.labels)).first(flow.labels_length)));
  }
  words.Add(has(conntrack::kState), "state", int{flow.state});
  words.Add(has(conntrack::kTcp), "scale", int{flow.tcp_scale_original});
  words.Add(has(conntrack::kTcp), "reply-scale", int{flow.tcp_scale_reply});
  words.Hex(has(conntrack::kTcp), "flags", flow.tcp_flags_original);
  words.Hex(has(conntrack::kTcp), "reply-flags", flow.tcp_flags_reply);
  return words.Take();
}

}  // namespace test
