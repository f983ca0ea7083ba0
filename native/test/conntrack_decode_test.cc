// Tests with replies of a real kernel, for the flows that record-conntrack-replies.py creates. Identifiers and times
// are as recorded.
#include <doctest/doctest.h>

#include <cerrno>

#include "test/conntrack_replies.h"
#include "test/conntrack_text.h"

using conntrack::Extension;
using conntrack::Flow;
using conntrack::FlowBatch;
using test::Hex;
using test::Text;

namespace {

constexpr unsigned kFlowMessage = 0x100;
constexpr unsigned kDestroyMessage = 0x102;
constexpr unsigned kExpectationMessage = 0x200;

FlowBatch Decoded(const char* answer, unsigned type = kFlowMessage) {
  FlowBatch batch;
  for (const auto& payload : test::Payloads(Hex(answer), type)) REQUIRE(conntrack::DecodeFlow(payload, batch));
  for (const Flow& flow : batch.flows) {
    // A flow has an extension exactly if it has rare fields.
    CHECK((flow.extension != 0) == ((flow.present & conntrack::kExtended) != 0));
    CHECK((flow.present & (conntrack::kOriginal | conntrack::kReply)) == (conntrack::kOriginal | conntrack::kReply));
    CHECK(flow.original.family == flow.reply.family);
    CHECK(flow.event == conntrack::Event::kListed);
  }
  return batch;
}

void Check(const FlowBatch& batch, const std::string& original, const std::string& reply, const std::string& rest) {
  REQUIRE(batch.flows.size() == 1);
  CHECK(Text(batch.flows[0].original) == original);
  CHECK(Text(batch.flows[0].reply) == reply);
  CHECK(Text(batch.flows[0]) == rest);
}

// Decodes a message with these attributes.
FlowBatch DecodedAttributes(const std::string& attributes) {
  FlowBatch batch;
  REQUIRE(conntrack::DecodeFlow(Hex("02000000" + attributes), batch));
  REQUIRE(batch.flows.size() == 1);
  return batch;
}

}  // namespace

TEST_CASE("TCP: counters, start, labels, state, window scales") {
  const FlowBatch batch = Decoded(conntrack_replies::kTcp);
  Check(batch, "127.0.0.1>127.0.0.1 protocol=6 sport=40001 dport=8080",
        "127.0.0.1>127.0.0.1 protocol=6 sport=8080 dport=40001",
        " id=a7105e22 status=18e mark=0 timeout=431999 use=1 packets=3 bytes=174 reply-packets=2 reply-bytes=112"
        " start=18ea0ee9c440e159 labels=20000000000000000000000000000000 state=3 scale=10 reply-scale=10"
        " flags=23 reply-flags=23");
  CHECK(batch.flows[0].original.family == AF_INET);
  CHECK(batch.extensions.empty());
  CHECK(batch.text.empty());
}

TEST_CASE("UDP that nobody answered: counters of zero are counters") {
  Check(Decoded(conntrack_replies::kUdp), "127.0.0.1>127.0.0.1 protocol=17 sport=40003 dport=5300",
        "127.0.0.1>127.0.0.1 protocol=17 sport=5300 dport=40003",
        " id=4a5ab6f4 status=188 mark=0 timeout=29 use=1 packets=1 bytes=36 reply-packets=0 reply-bytes=0"
        " start=18ea0eea0eba7336 labels=20000000000000000000000000000000");
}

TEST_CASE("ICMP and ICMPv6 have no ports") {
  Check(Decoded(conntrack_replies::kIcmp), "127.0.0.1>127.0.0.1 protocol=1 icmp-id=4660 type=8 code=0",
        "127.0.0.1>127.0.0.1 protocol=1 icmp-id=4660 type=0 code=0",
        " id=4b818276 status=18a mark=0 timeout=29 use=1 packets=1 bytes=32 reply-packets=1 reply-bytes=32"
        " start=18ea0eea27d08ad1 labels=20000000000000000000000000000000");
  const FlowBatch six = Decoded(conntrack_replies::kIcmp6);
  Check(six, "2001:db8::1>2001:db8::1 protocol=58 icmp-id=4660 type=128 code=0",
        "2001:db8::1>2001:db8::1 protocol=58 icmp-id=4660 type=129 code=0",
        " id=efa1b26 status=18a mark=0 timeout=29 use=1 packets=1 bytes=52 reply-packets=1 reply-bytes=52"
        " start=18ea0eea406a67fd labels=20000000000000000000000000000000");
  CHECK(six.flows[0].original.family == AF_INET6);
}

TEST_CASE("GRE: its keys are where ports are; IPv6 and a mark") {
  Check(Decoded(conntrack_replies::kGre), "192.0.2.1>198.51.100.2 protocol=47 sport=4369 dport=8738",
        "198.51.100.2>192.0.2.1 protocol=47 sport=8738 dport=4369",
        " id=4e11ea0e status=8 mark=0 timeout=59 use=1 packets=0 bytes=0 reply-packets=0 reply-bytes=0"
        " start=18ea0eeacbd3e8ee");
  Check(Decoded(conntrack_replies::kSix), "2001:db8::1>2001:db8::2 protocol=17 sport=5353 dport=53",
        "2001:db8::2>2001:db8::1 protocol=17 sport=53 dport=5353",
        " id=e364dcb5 status=8 mark=fffffffe timeout=89 use=1 packets=0 bytes=0 reply-packets=0 reply-bytes=0"
        " start=18ea0eeaeea51d36");
}

TEST_CASE("SCTP: state and tags") {
  const FlowBatch batch = Decoded(conntrack_replies::kSctp);
  Check(batch, "192.0.2.1>198.51.100.2 protocol=132 sport=5000 dport=5001",
        "198.51.100.2>192.0.2.1 protocol=132 sport=5001 dport=5000",
        " id=c3da4077 status=8 mark=0 timeout=299 use=1 packets=0 bytes=0 reply-packets=0 reply-bytes=0"
        " start=18ea0eeab1a5c385 state=4");
  CHECK((batch.flows[0].present & conntrack::kExtended) == conntrack::kSctp);  // an empty SYNPROXY does not count
  REQUIRE(batch.extensions.size() == 1);
  // The arguments of conntrack(8) were 0x12345678 and 0x9abcdef0; it sends their bytes in the wrong order.
  CHECK(batch.extensions[0].sctp_tag_original == 0x78563412);
  CHECK(batch.extensions[0].sctp_tag_reply == 0xf0debc9a);
}

TEST_CASE("zones, of the flow and of one direction") {
  const std::string rest = " packets=0 bytes=0 reply-packets=0 reply-bytes=0";
  Check(Decoded(conntrack_replies::kZone), "192.0.2.1>198.51.100.2 protocol=17 sport=1 dport=2",
        "198.51.100.2>192.0.2.1 protocol=17 sport=2 dport=1",
        " id=b2df1f76 status=8 mark=0 timeout=59 use=1 zone=5" + rest + " start=18ea0eeb080269a5");
  Check(Decoded(conntrack_replies::kZoneOfDirection), "192.0.2.1>198.51.100.2 protocol=17 sport=1 dport=2 zone=7",
        "198.51.100.2>192.0.2.1 protocol=17 sport=2 dport=1",
        " id=b2df1f76 status=8 mark=0 timeout=59 use=1" + rest + " start=18ea0eeb21046cd9");
}

TEST_CASE("NAT of the destination, and of the source with a shifted sequence") {
  Check(Decoded(conntrack_replies::kNatDestination), "127.0.0.1>192.0.2.80 protocol=6 sport=40002 dport=80",
        "127.0.0.1>127.0.0.1 protocol=6 sport=8080 dport=40002",
        " id=35e06018 status=1ae mark=0 timeout=431999 use=1 packets=2 bytes=112 reply-packets=1 reply-bytes=60"
        " start=18ea0ee9f5f64acc labels=20000000000000000000000000000000 state=3 scale=10 reply-scale=10"
        " flags=23 reply-flags=23");
  const FlowBatch batch = Decoded(conntrack_replies::kNatSource);
  Check(batch, "127.0.0.1>10.9.0.21 protocol=6 sport=40022 dport=21",
        "10.9.0.21>10.9.0.1 protocol=6 sport=21 dport=40022",
        " id=a332fe83 status=21de mark=0 timeout=431999 use=1 packets=4 bytes=254 reply-packets=3 reply-bytes=164"
        " start=18ea0eea8be0611d labels=20000000000000000000000000000000 state=3 scale=10 reply-scale=10"
        " flags=23 reply-flags=23");
  CHECK((batch.flows[0].present & conntrack::kExtended) ==
        (conntrack::kHelper | conntrack::kSequenceOriginal | conntrack::kSequenceReply));
  REQUIRE(batch.extensions.size() == 1);
  CHECK(Text(batch.extensions[0].sequence_original) == "3776979525,0,4294967295");
  CHECK(Text(batch.extensions[0].sequence_reply) == "0,0,0");
}

TEST_CASE("a helper, and the flow it has expected") {
  const FlowBatch control = Decoded(conntrack_replies::kHelper);
  REQUIRE(control.extensions.size() == 1);
  CHECK((control.flows.at(0).present & conntrack::kExtended) == conntrack::kHelper);
  CHECK(std::string(control.extensions[0].helper.data()) == "ftp");
  const FlowBatch data = Decoded(conntrack_replies::kMaster);
  REQUIRE(data.extensions.size() == 1);
  CHECK((data.flows.at(0).present & conntrack::kExtended) == conntrack::kMaster);
  CHECK(data.flows[0].status == 0x18f);  // EXPECTED
  CHECK(Text(data.extensions[0].master) == Text(control.flows[0].original));
  CHECK(data.extensions[0].master.family == AF_INET);
}

TEST_CASE("one flow with all that is rare") {
  const FlowBatch batch = Decoded(conntrack_replies::kRare);
  Check(batch, "192.0.2.1>198.51.100.2 protocol=6 sport=40000 dport=21",
        "198.51.100.2>192.0.2.1 protocol=6 sport=21 dport=40000",
        " id=b7513499 status=204f mark=c0ffee timeout=431999 use=1 packets=0 bytes=0 reply-packets=0 reply-bytes=0"
        " start=18ea0eeb39efe126 labels=0102030405060708090a0b0c0d0e0f10 state=3 scale=0 reply-scale=0"
        " flags=a reply-flags=2");
  CHECK((batch.flows[0].present & conntrack::kExtended) ==
        (conntrack::kHelper | conntrack::kMaster | conntrack::kSequenceOriginal | conntrack::kSequenceReply |
         conntrack::kSynproxy));
  REQUIRE(batch.extensions.size() == 1);
  const Extension& extension = batch.extensions[0];
  CHECK(std::string(extension.helper.data()) == "ftp");
  CHECK(Text(extension.master) == "192.0.2.9>198.51.100.9 protocol=6 sport=1000 dport=21");
  CHECK(Text(extension.sequence_original) == "100,3,4294967294");
  CHECK(Text(extension.sequence_reply) == "200,5,6");
  CHECK(Text(extension.synproxy) == "16909060,7,2147483649");
}

TEST_CASE("events: what they do not tell is absent, not zero") {
  const FlowBatch told = Decoded(conntrack_replies::kEvents);
  REQUIRE(told.flows.size() == 2);
  const std::string tcp = " state=1 scale=0 reply-scale=0 flags=a reply-flags=a";
  CHECK(Text(told.flows[0]) == " id=ccc190d6 status=8 mark=1 timeout=60 event-time=18ea0eeb651917d1" + tcp);
  CHECK(Text(told.flows[1]) == " id=ccc190d6 status=8 mark=2 timeout=59 event-time=18ea0eeb733d8d3f" + tcp);
  const FlowBatch destroyed = Decoded(conntrack_replies::kEvents, kDestroyMessage);
  Check(destroyed, "192.0.2.1>198.51.100.2 protocol=6 sport=1 dport=2",
        "198.51.100.2>192.0.2.1 protocol=6 sport=2 dport=1",
        " id=ccc190d6 status=208 mark=2 timeout=59 packets=0 bytes=0 reply-packets=0 reply-bytes=0"
        " start=18ea0eeb651907c7 stop=18ea0eeb80181def event-time=18ea0eeb80181f89 state=1");
  CHECK(destroyed.extensions.empty());
}

TEST_CASE("several flows in one batch, each with its own extension") {
  FlowBatch batch;
  for (const char* answer : {conntrack_replies::kHelper, conntrack_replies::kUdp, conntrack_replies::kSctp}) {
    for (const auto& payload : test::Payloads(Hex(answer), kFlowMessage)) REQUIRE(DecodeFlow(payload, batch));
  }
  REQUIRE(batch.flows.size() == 3);
  CHECK(batch.flows[0].extension == 1);
  CHECK(batch.flows[1].extension == 0);
  CHECK(batch.flows[2].extension == 2);
  CHECK(batch.extensions.at(1).sctp_tag_original == 0x78563412);
}

// Messages written by hand from the uapi header: no kernel of the recordings has DCCP (removed in 6.16) or security
// contexts.
TEST_CASE("DCCP and security contexts") {
  FlowBatch batch = DecodedAttributes(
      "2400 0480 2000 0280 0500 0100 03000000 0500 0200 01000000"
      "0c00 0300 0000123456789abc");
  CHECK(batch.flows[0].present == (conntrack::kState | conntrack::kDccp));
  CHECK(batch.flows[0].state == 3);
  CHECK(batch.extensions.at(0).dccp_role == 1);
  CHECK(batch.extensions[0].dccp_handshake == 0x123456789abc);

  batch = DecodedAttributes("0e00 1380 0a00 0100 73797374656d 0000 0e00 1380 0a00 0100 6162636465 00 0000");
  CHECK((batch.flows[0].present & conntrack::kExtended) == conntrack::kSecurityContext);
  const Extension& extension = batch.extensions.at(0);
  CHECK(batch.text.substr(extension.text, extension.text_length) == "abcde");
}

TEST_CASE("what is unknown is passed over; a name too long is cut; a message of nothing is a flow of nothing") {
  CHECK(DecodedAttributes("").flows[0].present == 0);
  const FlowBatch unknown = DecodedAttributes("0800 6300 01020304 0800 0800 00000007");
  CHECK(unknown.flows[0].present == conntrack::kMark);
  CHECK(unknown.flows[0].mark == 7);
  const FlowBatch named = DecodedAttributes("1c00 0580 1800 0100 6162636465666768696a6b6c6d6e6f7071727374");
  CHECK(std::string(named.extensions.at(0).helper.data()) == "abcdefghijklmno");
  FlowBatch batch;
  CHECK_FALSE(conntrack::DecodeFlow(Hex("020000"), batch));
  CHECK_FALSE(conntrack::DecodeFlow(Hex("02000000 0600 0800 0007 0000"), batch));  // a mark of two bytes
  CHECK(batch.empty());
}

TEST_CASE("expectations") {
  const auto decoded = [](const char* answer) {
    const auto payloads = test::Payloads(Hex(answer), kExpectationMessage);
    REQUIRE(payloads.size() == 1);
    const auto expectation = conntrack::DecodeExpectation(payloads[0]);
    REQUIRE(expectation);
    return *expectation;
  };
  const auto plain = decoded(conntrack_replies::kExpectation);
  CHECK(Text(plain.tuple) == "10.9.0.1>10.9.0.1 protocol=6 sport=0 dport=20001");
  CHECK(Text(plain.mask) == "255.255.255.255>255.255.255.255 protocol=6 sport=0 dport=65535");
  CHECK(Text(plain.master) == "10.9.0.1>10.9.0.1 protocol=6 sport=40021 dport=21");
  CHECK(plain.timeout == 299);
  CHECK(plain.id == 501234814);
  CHECK(plain.flags == 0);
  CHECK(plain.expectation_class == 0);
  CHECK(plain.zone == 0);
  CHECK(plain.has_nat == 0);
  CHECK(Text(plain.nat) == "->-");
  CHECK(std::string(plain.helper.data()) == "ftp");
  CHECK(plain.function[0] == '\0');

  const auto nat = decoded(conntrack_replies::kExpectationNat);
  CHECK(Text(nat.tuple) == "10.9.0.21>10.9.0.1 protocol=6 sport=0 dport=20002");
  CHECK(Text(nat.master) == "127.0.0.1>10.9.0.21 protocol=6 sport=40022 dport=21");
  CHECK(nat.id == 2658810645);
  CHECK(nat.has_nat == 1);
  CHECK(nat.nat_direction == 1);
  CHECK(Text(nat.nat) == "0.0.0.0>0.0.0.0 protocol=6 sport=20002 dport=0");
  CHECK(std::string(nat.function.data()) == "nat-follow-master");
}

TEST_CASE("statistics") {
  const auto records = [](const char* answer, unsigned type) {
    std::vector<conntrack::ProcessorStatistics> all;
    for (const auto& payload : test::Payloads(Hex(answer), type)) {
      const auto one = conntrack::DecodeProcessorStatistics(payload);
      REQUIRE(one);
      all.push_back(*one);
    }
    return all;
  };
  const auto processors = records(conntrack_replies::kProcessors, 0x104);
  REQUIRE(processors.size() == 2);
  CHECK(processors[0].processor == 0);
  CHECK(processors[1].processor == 1);
  CHECK(processors[0].present == 0xff14);   // FOUND, INVALID, INSERT to CHAIN_TOOLONG
  CHECK(processors[0].values.at(4) == 20);  // INVALID
  CHECK(processors[0].values.at(8) == 8);   // INSERT
  CHECK(processors[1].values.at(4) == 0);
  const auto expectations = records(conntrack_replies::kExpectationStatistics, 0x103);  // of the other subsystem
  REQUIRE(expectations.size() == 2);
  CHECK(expectations[0].present == 0x0e);
  CHECK(expectations[0].values.at(1) == 1);
  CHECK(expectations[0].values.at(2) == 3);
  CHECK(expectations[0].values.at(3) == 3);
  const auto totals = test::Payloads(Hex(conntrack_replies::kTotals), 0x105);
  REQUIRE(totals.size() == 1);
  CHECK(conntrack::DecodeGlobalStatistics(totals[0])->entries == 1);
  CHECK(conntrack::DecodeGlobalStatistics(totals[0])->maximum == 2097152);
  CHECK_FALSE(conntrack::DecodeGlobalStatistics(Hex("00000000 0800 0100 00000001"))->maximum.has_value());  // 5.9
}
