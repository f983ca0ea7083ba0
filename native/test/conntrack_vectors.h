// Shared vectors of conntrack_encode_*_test.cc, written by hand from linux/netfilter/nfnetlink_conntrack.h. The tuple
// is TCP, 192.0.2.1:40000 to 198.51.100.2:443.
#pragma once

#include <string>

#include "conntrack/messages.h"
#include "test/bytes.h"
#include "test/conntrack_records.h"

namespace test {

// The content of CTA_TUPLE_*. With its header it has 52 bytes (length 3400).
inline const std::string kForward =
    "1400 0180 0800 0100 c0000201 0800 0200 c6336402"                        // IP: source, destination
    "1c00 0280 0500 0100 06000000 0600 0200 9c40 0000 0600 0300 01bb 0000";  // PROTO: number, ports
inline const std::string kBackward =
    "1400 0180 0800 0100 c6336402 0800 0200 c0000201"
    "1c00 0280 0500 0100 06000000 0600 0200 01bb 0000 0600 0300 9c40 0000";
inline const std::string kOriginalTuple = "3400 0180" + kForward;
inline const std::string kReplyTuple = "3400 0280" + kBackward;

inline conntrack::Tuple Https() { return TupleOf("192.0.2.1", 40000, "198.51.100.2", 443); }

// Returns a whole message: the header (with the computed length, sequence and port 0), the nfgenmsg (version 1,
// resource 0), the attributes.
inline std::string Request(const std::string& type, const std::string& flags, const std::string& family,
                           const std::string& attributes = "") {
  const std::string rest = Same(type + flags + "00000000 00000000" + family + "01 0000" + attributes);
  const auto length = static_cast<uint32_t>(4 + rest.size() / 2);
  return ToHex(std::as_bytes(std::span(&length, 1))) + rest;
}

template <typename Encode>
std::string Encoded(Encode encode) {
  netlink::MessageWriter writer;
  encode(writer);
  const netlink::Batch batch = writer.Take();
  return batch.size() == 1 ? ToHex(batch.bytes) : "not one message";
}

inline std::string EncodedChange(conntrack::Verb verb, const conntrack::Flow& flow,
                                 const conntrack::Extension& extension = {}) {
  return Encoded([&](netlink::MessageWriter& writer) {
    conntrack::EncodeChange(writer, {verb, 0, flow, extension}, NLM_F_ACK);
  });
}

inline const std::string kNew = "0001";  // subsystem 1, in the high byte
inline const std::string kGet = "0101";
inline const std::string kDelete = "0201";
inline const std::string kAsked = "0500";    // REQUEST | ACK
inline const std::string kCreated = "0506";  // REQUEST | ACK | EXCL | CREATE
inline const std::string kDumped = "0103";   // REQUEST | ROOT | MATCH

}  // namespace test
