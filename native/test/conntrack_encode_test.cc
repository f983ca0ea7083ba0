// Tests the encoding of requests that read or flush the table, and of those for expectations, byte for byte.
#include <doctest/doctest.h>

#include "test/conntrack_vectors.h"

using conntrack::Command;
using conntrack::Expectation;
using conntrack::Filter;
using conntrack::Flow;
using netlink::MessageWriter;
using test::Encoded;
using test::FlowOf;
using test::Https;
using test::kAsked;
using test::kDumped;
using test::kOriginalTuple;
using test::kReplyTuple;
using test::Request;

namespace {

std::string Dump(const Filter& filter, Command command = Command::kGet) {
  return Encoded([&](MessageWriter& writer) { EncodeDump(writer, command, filter); });
}

// Returns a filter by the original tuple, with both addresses in full length.
Filter ByOriginal(const conntrack::Tuple& tuple) {
  Filter filter;
  filter.present = conntrack::kFamily;
  filter.family = tuple.family;
  filter.original.tuple = tuple;
  filter.original.source_prefix = filter.original.destination_prefix = tuple.family == AF_INET6 ? 128 : 32;
  return filter;
}

}  // namespace

TEST_CASE("get: by the original tuple, by the reply, in a zone") {
  const auto get = [](const Flow& key) {
    return Encoded([&](MessageWriter& writer) { conntrack::EncodeGet(writer, conntrack::Command::kGet, key); });
  };
  Flow key = FlowOf(Https());
  CHECK(get(key) == Request(test::kGet, kAsked, "02", kOriginalTuple));
  key.present = conntrack::kReply | conntrack::kZone;
  key.zone = 5;
  CHECK(get(key) == Request(test::kGet, kAsked, "02", kReplyTuple + "0600 1200 0005 0000"));
  key = FlowOf(test::TupleOf("::1", 1, "::2", 2));
  CHECK(get(key) == Request(test::kGet, kAsked, "0a",
                            "4c00 0180 2c00 0180 1400 0300 00000000000000000000000000000001"
                            "1400 0400 00000000000000000000000000000002"
                            "1c00 0280 0500 0100 06000000 0600 0200 0001 0000 0600 0300 0002 0000"));
}

TEST_CASE("dump: everything, of one family, with counters set to zero, the dying") {
  CHECK(Dump({}) == test::Same("14000000 0101 0103 00000000 00000000 00 01 0000"));
  CHECK(Dump({}, Command::kGetAndZero) == Request("0301", kDumped, "00"));
  CHECK(Dump({}, Command::kGetDying) == Request("0601", kDumped, "00"));
  Filter filter;
  filter.present = conntrack::kFamily;
  filter.family = AF_INET6;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "0a"));
}

TEST_CASE("dump: mark, status, zone") {
  Filter filter;
  filter.mark = 0x10;
  filter.mark_mask = 0xf0;
  filter.status = 0;
  filter.status_mask = 4;
  filter.zone = 5;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "00"));
  filter.present = conntrack::kMark;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "00", "0800 0800 00000010 0800 1500 000000f0"));
  filter.present = conntrack::kStatus;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "00", "0800 0300 00000000 0800 1a00 00000004"));
  filter.present = conntrack::kZone;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "00", "0600 1200 0005 0000"));
  filter.zone = 0;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "00"));
}

TEST_CASE("dump: a filter that is only for here, and one that the list of the dying would ignore") {
  Filter filter = ByOriginal(Https());
  filter.present |= conntrack::kMark | conntrack::kStatus | conntrack::kZone;
  filter.zone = 5;
  CHECK(Dump(filter, Command::kGetDying) == Request("0601", kDumped, "02"));
  filter.here_only = 1;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "02"));
}

TEST_CASE("dump: whole addresses of IPv4, the protocol and ports, of both directions") {
  Filter filter = ByOriginal(Https());
  // The flags, in host order: source, destination, protocol, both ports.
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "02", kOriginalTuple + "0c00 1980 0800 0100 3b000000"));
  filter.reply.tuple = test::Reversed(Https());
  filter.reply.tuple.present = conntrack::kHasProtocol | conntrack::kHasDestinationPort;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "02",
                                kOriginalTuple + "1800 0280 1400 0280 0500 0100 06000000 0600 0300 9c40 0000"
                                                 "1400 1980 0800 0100 3b000000 0800 0200 28000000"));
  filter.original = {};
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "02",
                                "1800 0280 1400 0280 0500 0100 06000000 0600 0300 9c40 0000"
                                "0c00 1980 0800 0200 28000000"));
}

TEST_CASE("dump: what the kernel cannot compare is left to Matches()") {
  Filter filter = ByOriginal(Https());
  filter.original.source_prefix = 24;
  CHECK(Dump(filter) ==
        Request(test::kGet, kDumped, "02",
                "2c00 0180 0c00 0180 0800 0200 c6336402"
                "1c00 0280 0500 0100 06000000 0600 0200 9c40 0000 0600 0300 01bb 0000 0c00 1980 0800 0100 3a000000"));
  // Ports without a protocol.
  filter.original.tuple.present &= ~conntrack::kHasProtocol;
  CHECK(Dump(filter) ==
        Request(test::kGet, kDumped, "02", "1000 0180 0c00 0180 0800 0200 c6336402 0c00 1980 0800 0100 02000000"));
  // Any tuple without a family.
  filter.present = 0;
  CHECK(Dump(filter) == Request(test::kGet, kDumped, "00"));
  // IPv6 addresses, in full length or with the length of an IPv4 address.
  filter = ByOriginal(test::TupleOf("::1", 1, "::2", 2));
  const std::string whole = Dump(filter);
  filter.original.source_prefix = filter.original.destination_prefix = 32;
  CHECK(Dump(filter) == whole);
  CHECK(whole == Request(test::kGet, kDumped, "0a",
                         "2000 0180 1c00 0280 0500 0100 06000000 0600 0200 0001 0000 0600 0300 0002 0000"
                         "0c00 1980 0800 0100 38000000"));
}

TEST_CASE("flush: in version 1, which heeds the family") {
  const auto flush = [](uint8_t family) {
    return Encoded([&](MessageWriter& writer) { conntrack::EncodeFlush(writer, family); });
  };
  CHECK(flush(AF_INET) == test::Same("14000000 0201 0500 00000000 00000000 02 01 0000"));
  CHECK(flush(AF_INET6) == test::Same("14000000 0201 0500 00000000 00000000 0a 01 0000"));
  CHECK(flush(AF_UNSPEC) == test::Same("14000000 0201 0500 00000000 00000000 00 01 0000"));
}

TEST_CASE("statistics") {
  const auto plain = [](Command command, uint16_t flags) {
    return Encoded([&](MessageWriter& writer) { EncodePlain(writer, command, flags); });
  };
  CHECK(plain(Command::kGetStatisticsByProcessor, NLM_F_DUMP) == Request("0401", kDumped, "00"));
  CHECK(plain(Command::kGetStatistics, NLM_F_ACK) == Request("0501", kAsked, "00"));
  CHECK(Encoded([](MessageWriter& writer) { conntrack::EncodeExpectationStatistics(writer); }) ==
        Request("0302", kDumped, "00"));
}

TEST_CASE("expectations: create") {
  Expectation expectation;
  expectation.master = Https();
  expectation.tuple = test::TupleOf("198.51.100.2", 0, "192.0.2.1", 20001);
  expectation.mask = test::TupleOf("255.255.255.255", 0, "255.255.255.255", 65535);
  expectation.timeout = 300;
  expectation.flags = 1;
  expectation.expectation_class = 2;
  const std::string body = "3400 0180" + test::kForward +  // MASTER
                           "3400 0280 1400 0180 0800 0100 c6336402 0800 0200 c0000201"
                           "1c00 0280 0500 0100 06000000 0600 0200 0000 0000 0600 0300 4e21 0000"
                           "3400 0380 1400 0180 0800 0100 ffffffff 0800 0200 ffffffff"
                           "1c00 0280 0500 0100 06000000 0600 0200 0000 0000 0600 0300 ffff 0000"
                           "0800 0400 0000012c 0800 0800 00000001 0800 0900 00000002";
  const auto create = [&] {
    return Encoded([&](MessageWriter& writer) { conntrack::EncodeExpectation(writer, expectation); });
  };
  CHECK(create() == Request("0002", test::kCreated, "02", body));
  expectation.zone = 5;
  test::SetName(expectation.helper, "ftp");
  std::memcpy(expectation.function.data(), "nat-follow-master", 17);
  expectation.has_nat = 1;
  expectation.nat_direction = 1;
  expectation.nat = Https();
  CHECK(create() == Request("0002", test::kCreated, "02",
                            body +
                                "0600 0700 0005 0000 0800 0600 66747000"
                                "1600 0b00 6e61742d666f6c6c6f772d6d61737465720000 00"
                                "4000 0a80 0800 0100 00000001 3400 0280" +
                                test::kForward));
}

TEST_CASE("expectations: delete, dump, flush") {
  Expectation key;
  key.tuple = Https();
  const auto remove = [&] {
    return Encoded([&](MessageWriter& writer) { conntrack::EncodeDeleteExpectation(writer, key); });
  };
  CHECK(remove() == Request("0202", kAsked, "02", "3400 0280" + test::kForward));
  key.zone = 5;
  key.id = 0x01020304;
  CHECK(remove() ==
        Request("0202", kAsked, "02", "3400 0280" + test::kForward + "0600 0700 0005 0000 0800 0500 01020304"));
  CHECK(Encoded([](MessageWriter& writer) { conntrack::EncodeDumpExpectations(writer, AF_INET6); }) ==
        Request("0102", kDumped, "0a"));
  CHECK(Encoded([](MessageWriter& writer) { conntrack::EncodeFlushExpectations(writer); }) ==
        Request("0202", kAsked, "00"));
}

TEST_CASE("NamesFlow: a whole tuple, of the direction that would be sent") {
  CHECK(conntrack::NamesFlow(FlowOf(Https())));
  Flow flow = FlowOf(Https());
  flow.present = 0;
  CHECK_FALSE(conntrack::NamesFlow(flow));
  for (const uint8_t part : {conntrack::kHasSource, conntrack::kHasDestination, conntrack::kHasProtocol}) {
    flow = FlowOf(Https());
    flow.original.present &= ~part;
    CHECK_FALSE(conntrack::NamesFlow(flow));  // the reply tuple is whole, but the original is sent
    flow.present = conntrack::kReply;
    CHECK(conntrack::NamesFlow(flow));
    flow.reply.present &= ~part;
    CHECK_FALSE(conntrack::NamesFlow(flow));
  }
}
