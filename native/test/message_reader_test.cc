#include "netlink/message_reader.h"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <string>

#include "test/bytes.h"

using netlink::AttributeReader;
using netlink::Message;
using netlink::MessageReader;
using netlink::ReadAcknowledgement;
using test::Hex;
using test::Same;
using test::ToHex;

namespace {

constexpr char kHeader[] = "3412 0200 07000000 09000000";  // a header without its length

struct Reading {
  int messages = 0;
  bool malformed = false;
};

Reading ReadAll(netlink::View datagram) {
  MessageReader reader(datagram);
  Message message;
  Reading reading;
  while (reader.Next(message)) ++reading.messages;
  reading.malformed = reader.malformed();
  CHECK_FALSE(reader.Next(message));  // the end stays the end
  return reading;
}

Reading ReadAttributes(netlink::View attributes) {
  Reading reading;
  AttributeReader reader(attributes, reading.malformed);
  while (reader.Next()) ++reading.messages;
  return reading;
}

Message Acknowledged(netlink::View bytes) {
  MessageReader reader(bytes);
  Message message;
  REQUIRE(reader.Next(message));
  return message;
}

}  // namespace

TEST_CASE("messages come in order, each with its payload") {
  const auto datagram =
      Hex("14000000 1000 0200 07000000 09000000 a1a2a3a4"
          "10000000 1100 0000 08000000 09000000"
          "12000000 1200 0000 09000000 09000000 b1b2");  // the last one needs no padding
  MessageReader reader(datagram);
  Message message;
  REQUIRE(reader.Next(message));
  CHECK(message.header.nlmsg_type == 0x10);
  CHECK(message.header.nlmsg_flags == NLM_F_MULTI);
  CHECK(message.header.nlmsg_seq == 7);
  CHECK(message.header.nlmsg_pid == 9);
  CHECK(ToHex(message.payload) == "a1a2a3a4");
  REQUIRE(reader.Next(message));
  CHECK(message.header.nlmsg_type == 0x11);
  CHECK(message.payload.empty());
  REQUIRE(reader.Next(message));
  CHECK(ToHex(message.payload) == "b1b2");
  CHECK_FALSE(reader.Next(message));
  CHECK_FALSE(reader.malformed());
}

TEST_CASE("an empty datagram holds nothing, and is well-formed") {
  CHECK(ReadAll({}).messages == 0);
  CHECK_FALSE(ReadAll({}).malformed);
}

TEST_CASE("every length but the right one is malformed") {
  for (uint32_t length = 0; length < 64; ++length) {
    CAPTURE(length);
    auto datagram = Hex(std::string("00000000") + kHeader + "0102030405060708");
    std::memcpy(datagram.data(), &length, sizeof length);
    const Reading reading = ReadAll(datagram);
    // A length below the header or beyond the datagram is malformed. So is the rest that a shorter message leaves.
    // Because of padding, 21-23 are as valid as 24.
    CHECK(reading.malformed == (length < 21 || length > 24));
    CHECK(reading.messages == (length >= 16 && length <= 24 ? 1 : 0));
  }
  for (const char* length : {"ffffffff", "00000080", "fdffffff"}) {
    CHECK(ReadAll(Hex(std::string(length) + kHeader)).malformed);
  }
}

TEST_CASE("a datagram cut anywhere inside a header is malformed") {
  const auto whole = Hex(std::string("10000000") + kHeader);
  for (size_t size = 1; size < whole.size(); ++size) {
    CAPTURE(size);
    const auto reading = ReadAll(test::Copy(netlink::View(whole).first(size)));
    CHECK(reading.messages == 0);
    CHECK(reading.malformed);
  }
}

TEST_CASE("attributes: types without their flags, payloads without their padding") {
  const auto bytes =
      Hex("0500 0100 aa 000000"
          "0800 0280 01020304"   // nested
          "0600 0340 1234 0000"  // in network order
          "0700 ffff 727200");   // all bits; the last one needs no padding
  bool malformed = false;
  AttributeReader reader(bytes, malformed);
  REQUIRE(reader.Next());
  CHECK(reader.type() == 1);
  CHECK(ToHex(reader.payload()) == "aa");
  CHECK(reader.Value<uint8_t>() == 0xaa);
  REQUIRE(reader.Next());
  CHECK(reader.type() == 2);
  CHECK(reader.Value<uint32_t>() == 0x04030201);
  CHECK(reader.Value<uint16_t>() == 0x0201);  // a longer payload is valid
  CHECK(reader.Be32() == 0x01020304);
  REQUIRE(reader.Next());
  CHECK(reader.type() == 3);
  CHECK(reader.Be16() == 0x1234);
  REQUIRE(reader.Next());
  CHECK(reader.type() == 0x3fff);
  CHECK(reader.String() == "rr");
  CHECK_FALSE(reader.Next());
  CHECK_FALSE(malformed);
}

TEST_CASE("strings end at their NUL, or with the attribute") {
  bool malformed = false;
  AttributeReader reader(Hex("0400 0100"), malformed);
  for (const auto& [hex, text] : std::array<std::pair<const char*, const char*>, 4>{{{"0400 0100", ""},
                                                                                     {"0500 0100 00 000000", ""},
                                                                                     {"0700 0100 727273 00", "rrs"},
                                                                                     {"0800 0100 72007200", "r"}}}) {
    const auto bytes = Hex(hex);
    AttributeReader attribute(bytes, malformed);
    REQUIRE(attribute.Next());
    CHECK(attribute.String() == text);
  }
  CHECK_FALSE(malformed);
}

TEST_CASE("every attribute length but the right one is malformed") {
  for (uint16_t length = 0; length < 40; ++length) {
    CAPTURE(length);
    auto bytes = Hex("0000 0100 0102030405060708");
    std::memcpy(bytes.data(), &length, sizeof length);
    const Reading reading = ReadAttributes(bytes);
    // 4 leaves 01020304 05060708, where 0x0201 is not a valid length; 8 leaves 05060708.
    CHECK(reading.malformed == (length < 9 || length > 12));
    CHECK(reading.messages == (length >= 4 && length <= 12 ? 1 : 0));
  }
  CHECK(ReadAttributes(Hex("ffff 0100")).malformed);
  for (const char* cut : {"04", "0400", "040001"}) CHECK(ReadAttributes(Hex(cut)).malformed);
  CHECK_FALSE(ReadAttributes({}).malformed);
}

TEST_CASE("a value longer than its attribute is 0, and marks the message") {
  const auto bytes = Hex("0700 0100 010203 00");
  bool malformed = false;
  AttributeReader reader(bytes, malformed);
  REQUIRE(reader.Next());
  CHECK(reader.Value<uint16_t>() == 0x0201);
  CHECK_FALSE(malformed);
  CHECK(reader.Value<uint32_t>() == 0);
  CHECK(malformed);
  CHECK_FALSE(reader.Next());
}

TEST_CASE("an error inside a nested attribute ends the reading outside of it too") {
  const auto bytes =
      Hex("0c00 0180  ffff 0100 00000000"  // an inner length that reaches far beyond
          "0800 0200 07000000");
  bool malformed = false;
  AttributeReader outer(bytes, malformed);
  REQUIRE(outer.Next());
  AttributeReader inner = outer.Nested();
  CHECK_FALSE(inner.Next());
  CHECK(malformed);
  CHECK_FALSE(outer.Next());
}

TEST_CASE("nested attributes never reach beyond the attribute they are in") {
  const auto bytes =
      Hex("0800 0180  0c00 0100"  // the inner one claims what follows
          "0800 0200 07000000");
  bool malformed = false;
  AttributeReader outer(bytes, malformed);
  REQUIRE(outer.Next());
  CHECK_FALSE(outer.Nested().Next());
  CHECK(malformed);
}

TEST_CASE("acknowledgements") {
  // An nlmsgerr has the error, then the header of the request.
  const std::string request = "1c000000 2500 0500 01000000 00000000";
  const std::string text = "0700 0100 6e6f00 00";  // NLMSGERR_ATTR_MSG "no"
  SUBCASE("success") {
    const auto bytes = Hex("24000000 0200 0001 01000000 00000000  00000000" + request);
    const auto result = ReadAcknowledgement(Acknowledged(bytes));
    REQUIRE(result);
    CHECK(result->code == 0);
    CHECK(result->message.empty());
  }
  SUBCASE("an error, capped, without words") {
    const auto bytes = Hex("24000000 0200 0001 01000000 00000000  fdffffff" + request);
    const auto result = ReadAcknowledgement(Acknowledged(bytes));
    REQUIRE(result);
    CHECK(result->code == ESRCH);
    CHECK(result->message.empty());
  }
  SUBCASE("capped, in words: the attributes stand behind the header of our request") {
    const auto bytes = Hex("2c000000 0200 0003 01000000 00000000  eaffffff" + request + text);
    const auto result = ReadAcknowledgement(Acknowledged(bytes));
    REQUIRE(result);
    CHECK(result->code == EINVAL);
    CHECK(result->message == "no");
  }
  SUBCASE("not capped, in words: they stand behind the whole request") {
    const auto bytes =
        Hex("38000000 0200 0002 01000000 00000000  eaffffff" + request + "0c010000 06000400 01000000" + text);
    const auto result = ReadAcknowledgement(Acknowledged(bytes));
    REQUIRE(result);
    CHECK(result->code == EINVAL);
    CHECK(result->message == "no");
  }
  SUBCASE("not capped, and the request's length is beyond the end: the code, without words") {
    for (const char* length : {"38000000", "ffffffff", "00000080"}) {
      const auto bytes = Hex(std::string("2c000000 0200 0002 01000000 00000000  eaffffff") + length +
                             "2500 0500 01000000 00000000" + text);
      const auto result = ReadAcknowledgement(Acknowledged(bytes));
      REQUIRE(result);
      CHECK(result->code == EINVAL);
      CHECK(result->message.empty());
    }
  }
  SUBCASE("malformed words do not hide the code") {
    const auto bytes = Hex("2c000000 0200 0003 01000000 00000000  eaffffff" + request + "ff00 0100 6e6f00 00");
    const auto result = ReadAcknowledgement(Acknowledged(bytes));
    REQUIRE(result);
    CHECK(result->code == EINVAL);
    CHECK(result->message.empty());
  }
  SUBCASE("cut inside its fixed part: nothing") {
    const auto payload = Hex("fdffffff" + request);
    for (size_t size = 0; size < payload.size(); ++size) {
      CAPTURE(size);
      const auto cut = test::Copy(netlink::View(payload).first(size));
      Message message;
      message.header.nlmsg_type = NLMSG_ERROR;
      message.payload = cut;
      CHECK_FALSE(ReadAcknowledgement(message));
    }
  }
}
