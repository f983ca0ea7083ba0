// Tests the encoding of requests that change the table, byte for byte.
#include <doctest/doctest.h>

#include "test/conntrack_vectors.h"

using conntrack::Extension;
using conntrack::Flow;
using conntrack::Tuple;
using conntrack::Verb;
using test::AddressOf;
using test::EncodedChange;
using test::FlowOf;
using test::Https;
using test::kAsked;
using test::kCreated;
using test::kDelete;
using test::kNew;
using test::kOriginalTuple;
using test::kReplyTuple;
using test::Request;

namespace {

const std::string kBoth = kOriginalTuple + kReplyTuple;

// Checks that the CREATE request of an IPv4 flow has these attributes after its tuples.
void CheckCreate(const Flow& flow, const Extension& extension, const std::string& attributes) {
  CHECK(EncodedChange(Verb::kCreate, flow, extension) == Request(kNew, kCreated, "02", attributes));
}

Flow Http(uint32_t present) {
  Flow flow = FlowOf(Https());
  flow.present |= present;
  return flow;
}

}  // namespace

TEST_CASE("create: the whole message, its header too") {
  CHECK(EncodedChange(Verb::kCreate, Http(0)) ==
        test::Same("7c000000 0001 0506 00000000 00000000"  // 124 bytes, NEW, REQUEST | ACK | EXCL | CREATE
                   "02 01 0000"                            // AF_INET, version 1
                   "3400 0180 1400 0180 0800 0100 c0000201 0800 0200 c6336402"
                   "1c00 0280 0500 0100 06000000 0600 0200 9c40 0000 0600 0300 01bb 0000"
                   "3400 0280 1400 0180 0800 0100 c6336402 0800 0200 c0000201"
                   "1c00 0280 0500 0100 06000000 0600 0200 01bb 0000 0600 0300 9c40 0000"));
}

TEST_CASE("create: status, timeout, mark, state of TCP") {
  Flow flow = Http(conntrack::kStatus | conntrack::kTimeout | conntrack::kMark | conntrack::kState);
  flow.status = 0x0e;
  flow.timeout = 432000;
  flow.mark = 0xfedcba98;
  flow.state = 3;
  CheckCreate(flow, {},
              kBoth +
                  "0800 0300 0000000e 0800 0700 00069780 0800 0800 fedcba98"
                  "1000 0480 0c00 0180 0500 0100 03000000");
  flow.present |= conntrack::kTcp;
  flow.tcp_scale_original = 7;
  flow.tcp_scale_reply = 8;
  flow.tcp_flags_original = 0x0a;
  flow.tcp_flags_reply = 2;
  CheckCreate(flow, {},
              kBoth +
                  "0800 0300 0000000e 0800 0700 00069780 0800 0800 fedcba98"
                  "3000 0480 2c00 0180 0500 0100 03000000 0500 0200 07000000 0500 0300 08000000"
                  "0600 0400 0aff 0000 0600 0500 02ff 0000");  // flags, each with a mask of all
}

TEST_CASE("create: a mask is of no use without what it masks") {
  CheckCreate(Http(conntrack::kMarkMask | conntrack::kLabelsMask | conntrack::kStatusMask), {}, kBoth);
}

TEST_CASE("create: NAT, with ports and without") {
  Flow flow = Http(conntrack::kNatSource | conntrack::kNatDestination);
  Extension extension;
  extension.nat_source = {AddressOf("203.0.113.1"), AddressOf("203.0.113.9"), 1000, 1999};
  extension.nat_destination = {AddressOf("10.0.0.1"), AddressOf("10.0.0.1"), 0, 0};
  CheckCreate(flow, extension,
              kBoth +
                  "2800 0680 0800 0100 cb007101 0800 0200 cb007109 1400 0380 0600 0100 03e8 0000 0600 0200 07cf 0000"
                  "1400 0d80 0800 0100 0a000001 0800 0200 0a000001");
}

TEST_CASE("create: IPv6, with NAT") {
  Flow flow = FlowOf(test::TupleOf("2001:db8::1", 5353, "2001:db8::2", 53, IPPROTO_UDP));
  flow.present |= conntrack::kNatDestination;
  Extension extension;
  extension.nat_destination = {AddressOf("2001:db8::7"), AddressOf("2001:db8::8"), 53, 53};
  CHECK(EncodedChange(Verb::kCreate, flow, extension) ==
        Request(kNew, kCreated, "0a",
                "4c00 0180 2c00 0180 1400 0300 20010db8000000000000000000000001"
                "1400 0400 20010db8000000000000000000000002"
                "1c00 0280 0500 0100 11000000 0600 0200 14e9 0000 0600 0300 0035 0000"
                "4c00 0280 2c00 0180 1400 0300 20010db8000000000000000000000002"
                "1400 0400 20010db8000000000000000000000001"
                "1c00 0280 0500 0100 11000000 0600 0200 0035 0000 0600 0300 14e9 0000"
                "4000 0d80 1400 0400 20010db8000000000000000000000007 1400 0500 20010db8000000000000000000000008"
                "1400 0380 0600 0100 0035 0000 0600 0200 0035 0000"));
}

TEST_CASE("create: zones, of the flow and of one direction") {
  Flow flow = Http(conntrack::kZone);
  flow.zone = 0x0102;
  CheckCreate(flow, {}, kBoth + "0600 1200 0102 0000");
  flow.present &= ~conntrack::kZone;
  flow.original.present |= conntrack::kHasZone;
  flow.original.zone = 7;
  CheckCreate(flow, {}, "3c00 0180" + test::kForward + "0600 0300 0007 0000" + kReplyTuple);
}

TEST_CASE("create: what few flows have") {
  Flow flow = Http(conntrack::kLabels | conntrack::kHelper | conntrack::kMaster | conntrack::kSequenceOriginal |
                   conntrack::kSequenceReply | conntrack::kSynproxy);
  for (size_t i = 0; i < flow.labels.size(); ++i) flow.labels.at(i) = static_cast<uint8_t>(i + 1);
  Extension extension;
  test::SetName(extension.helper, "ftp");
  extension.master = Https();
  extension.sequence_original = {100, 3, 0xfffffffe};
  extension.sequence_reply = {200, 5, 6};
  extension.synproxy = {0x01020304, 7, 0x80000001};
  CheckCreate(flow, extension,
              kBoth +
                  "1400 1600 0102030405060708090a0b0c0d0e0f10"  // LABELS
                  "0c00 0580 0800 0100 66747000"                // HELP
                  "3400 0e80" +
                  test::kForward +                                                        // TUPLE_MASTER
                  "1c00 0f80 0800 0100 00000064 0800 0200 00000003 0800 0300 fffffffe"    // SEQ_ADJ_ORIG
                  "1c00 1080 0800 0100 000000c8 0800 0200 00000005 0800 0300 00000006"    // SEQ_ADJ_REPLY
                  "1c00 1880 0800 0100 01020304 0800 0200 00000007 0800 0300 80000001");  // SYNPROXY
}

TEST_CASE("create: SCTP and DCCP") {
  const std::string ip = "3400 0180 1400 0180 0800 0100 c0000201 0800 0200 c6336402";
  const std::string reply_ip = "3400 0280 1400 0180 0800 0100 c6336402 0800 0200 c0000201";
  Flow flow = FlowOf(test::TupleOf("192.0.2.1", 1, "198.51.100.2", 2, IPPROTO_SCTP));
  flow.present |= conntrack::kState | conntrack::kSctp;
  flow.state = 4;
  Extension extension;
  extension.sctp_tag_original = 0x01020304;
  extension.sctp_tag_reply = 0xfffefdfc;
  CheckCreate(flow, extension,
              ip + "1c00 0280 0500 0100 84000000 0600 0200 0001 0000 0600 0300 0002 0000" + reply_ip +
                  "1c00 0280 0500 0100 84000000 0600 0200 0002 0000 0600 0300 0001 0000"
                  "2000 0480 1c00 0380 0500 0100 04000000 0800 0200 01020304 0800 0300 fffefdfc");

  flow = FlowOf(test::TupleOf("192.0.2.1", 1, "198.51.100.2", 2, 33));
  flow.present |= conntrack::kState | conntrack::kDccp;
  flow.state = 3;
  extension.dccp_role = 1;
  extension.dccp_handshake = 0x0000'1234'5678'9abc;
  CheckCreate(flow, extension,
              ip + "1c00 0280 0500 0100 21000000 0600 0200 0001 0000 0600 0300 0002 0000" + reply_ip +
                  "1c00 0280 0500 0100 21000000 0600 0200 0002 0000 0600 0300 0001 0000"
                  "2400 0480 2000 0280 0500 0100 03000000 0500 0200 01000000 0c00 0300 0000123456789abc");
}

TEST_CASE("create: ICMP, ICMPv6 and GRE") {
  Tuple request = test::IcmpTuple("192.0.2.1", "198.51.100.2", IPPROTO_ICMP, 0x1234, 8);
  request.icmp_code = 9;
  const Tuple answer = test::IcmpTuple("198.51.100.2", "192.0.2.1", IPPROTO_ICMP, 0x1234, 0);
  CheckCreate(FlowOf(request, answer), {},
              "3c00 0180 1400 0180 0800 0100 c0000201 0800 0200 c6336402"
              "2400 0280 0500 0100 01000000 0600 0400 1234 0000 0500 0500 08000000 0500 0600 09000000"
              "3c00 0280 1400 0180 0800 0100 c6336402 0800 0200 c0000201"
              "2400 0280 0500 0100 01000000 0600 0400 1234 0000 0500 0500 00000000 0500 0600 00000000");

  CHECK(EncodedChange(Verb::kCreate, FlowOf(test::IcmpTuple("fe80::1", "fe80::2", IPPROTO_ICMPV6, 1, 128),
                                            test::IcmpTuple("fe80::2", "fe80::1", IPPROTO_ICMPV6, 1, 129))) ==
        Request(kNew, kCreated, "0a",
                "5400 0180 2c00 0180 1400 0300 fe800000000000000000000000000001"
                "1400 0400 fe800000000000000000000000000002"
                "2400 0280 0500 0100 3a000000 0600 0700 0001 0000 0500 0800 80000000 0500 0900 00000000"
                "5400 0280 2c00 0180 1400 0300 fe800000000000000000000000000002"
                "1400 0400 fe800000000000000000000000000001"
                "2400 0280 0500 0100 3a000000 0600 0700 0001 0000 0500 0800 81000000 0500 0900 00000000"));

  CheckCreate(FlowOf(test::TupleOf("192.0.2.1", 0x1111, "198.51.100.2", 0x2222, IPPROTO_GRE)), {},
              "3400 0180 1400 0180 0800 0100 c0000201 0800 0200 c6336402"
              "1c00 0280 0500 0100 2f000000 0600 0200 1111 0000 0600 0300 2222 0000"
              "3400 0280 1400 0180 0800 0100 c6336402 0800 0200 c0000201"
              "1c00 0280 0500 0100 2f000000 0600 0200 2222 0000 0600 0300 1111 0000");
}

TEST_CASE("update: neither creates nor refuses what is there; names the flow by one tuple") {
  Flow flow = Http(conntrack::kStatus | conntrack::kTimeout | conntrack::kMark | conntrack::kMarkMask);
  flow.status = 4;
  flow.timeout = 30;
  flow.mark = 0x10;
  flow.mark_mask = 0xf0;
  const std::string changes = "0800 0300 00000004 0800 0700 0000001e 0800 0800 00000010 0800 1500 000000f0";
  CHECK(EncodedChange(Verb::kUpdate, flow) == Request(kNew, kAsked, "02", kOriginalTuple + changes));
  flow.present &= ~conntrack::kOriginal;
  flow.original = {};
  CHECK(EncodedChange(Verb::kUpdate, flow) == Request(kNew, kAsked, "02", kReplyTuple + changes));
}

TEST_CASE("update: labels and what of them counts, in a zone") {
  Flow flow = Http(conntrack::kZone | conntrack::kLabels | conntrack::kLabelsMask);
  flow.zone = 5;
  flow.labels[0] = 1;
  Extension extension;
  extension.labels_mask.fill(0xff);
  CHECK(EncodedChange(Verb::kUpdate, flow, extension) ==
        Request(kNew, kAsked, "02",
                kOriginalTuple + "0600 1200 0005 0000 1400 1600 01000000000000000000000000000000"
                                 "1400 1700 ffffffffffffffffffffffffffffffff"));
}

TEST_CASE("update: the state of a flow of TCP that is named by its reply") {
  Flow flow;
  flow.reply = test::Reversed(Https());
  flow.present = conntrack::kReply | conntrack::kState;
  flow.state = 7;
  CHECK(EncodedChange(Verb::kUpdate, flow) ==
        Request(kNew, kAsked, "02", kReplyTuple + "1000 0480 0c00 0180 0500 0100 07000000"));
}

TEST_CASE("delete: the tuple, the zone, the identifier, and nothing else") {
  Flow flow = Http(0xffffffff & ~(conntrack::kZone | conntrack::kId));
  CHECK(EncodedChange(Verb::kDelete, flow) == Request(kDelete, kAsked, "02", kOriginalTuple));
  flow.present |= conntrack::kZone | conntrack::kId;
  flow.zone = 5;
  flow.id = 0x89abcdef;
  CHECK(EncodedChange(Verb::kDelete, flow) ==
        Request(kDelete, kAsked, "02", kOriginalTuple + "0600 1200 0005 0000 0800 0c00 89abcdef"));
  flow.present = conntrack::kReply;
  CHECK(EncodedChange(Verb::kDelete, flow) == Request(kDelete, kAsked, "02", kReplyTuple));
}
