#include "netlink/message_writer.h"

#include <doctest/doctest.h>
#include <linux/genetlink.h>

#include <array>
#include <cerrno>
#include <string>

#include "netlink/generic_family.h"
#include "test/bytes.h"

using netlink::Batch;
using netlink::CheckBatch;
using netlink::MessageWriter;
using test::Same;
using test::ToHex;

namespace {

// Returns the bytes after the header (16 bytes) of one message.
template <typename Write>
std::string Body(Write write) {
  MessageWriter writer;
  writer.Begin(0x10, 0);
  write(writer);
  writer.End();
  const Batch batch = writer.Take();
  return ToHex(netlink::View(batch.bytes).subspan(16));
}

}  // namespace

TEST_CASE("a message is its header, with the length filled in at the end") {
  MessageWriter writer;
  writer.Begin(0x1234, NLM_F_REQUEST | NLM_F_ACK);
  writer.End();
  const Batch batch = writer.Take();
  CHECK(ToHex(batch.bytes) == Same("10000000 3412 0500 00000000 00000000"));
  CHECK(batch.offsets == std::vector<uint32_t>{0});
  CHECK(batch.size() == 1);
}

TEST_CASE("values are in host order, padded to four bytes, with the length unpadded") {
  CHECK(Body([](auto& w) { w.PutValue(1, uint8_t{0x12}); }) == Same("0500 0100 12 000000"));
  CHECK(Body([](auto& w) { w.PutValue(2, uint16_t{0x1234}); }) == Same("0600 0200 3412 0000"));
  CHECK(Body([](auto& w) { w.PutValue(3, uint32_t{0x12345678}); }) == Same("0800 0300 78563412"));
  CHECK(Body([](auto& w) { w.PutValue(4, int32_t{-1}); }) == Same("0800 0400 ffffffff"));
  CHECK(Body([](auto& w) { w.PutValue(5, uint64_t{0x0123456789abcdef}); }) == Same("0c00 0500 efcdab8967452301"));
}

TEST_CASE("big-endian values") {
  CHECK(Body([](auto& w) { w.PutBe16(1, 0x1234); }) == Same("0600 0100 1234 0000"));
  CHECK(Body([](auto& w) { w.PutBe32(2, 0x12345678); }) == Same("0800 0200 12345678"));
}

TEST_CASE("bytes of every length modulo four") {
  const std::array<std::byte, 5> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}};
  const std::array<const char*, 6> expected{"0400 0700",           "0500 0700 01 000000",
                                            "0600 0700 0102 0000", "0700 0700 010203 00",
                                            "0800 0700 01020304",  "0900 0700 01020304 05 000000"};
  for (size_t count = 0; count <= bytes.size(); ++count) {
    CAPTURE(count);
    CHECK(Body([&](auto& w) { w.Put(7, std::span(bytes).first(count)); }) == Same(expected.at(count)));
  }
}

TEST_CASE("strings end in a NUL that the length counts") {
  CHECK(Body([](auto& w) { w.PutString(6, ""); }) == Same("0500 0600 00 000000"));
  CHECK(Body([](auto& w) { w.PutString(6, "rr"); }) == Same("0700 0600 727200 00"));
  CHECK(Body([](auto& w) { w.PutString(6, "wrr"); }) == Same("0800 0600 77727200"));
  CHECK(Body([](auto& w) { w.PutString(6, "wrrr"); }) == Same("0900 0600 77727272 00000000"));
}

TEST_CASE("the fixed part is padded") {
  CHECK(Body([](auto& w) { w.Fixed(genlmsghdr{4, 1, 0}); }) == Same("04 01 0000"));
  CHECK(Body([](auto& w) {
          w.Fixed(uint8_t{9});
          w.PutValue(1, uint8_t{1});
        }) == Same("09 000000 0500 0100 01 000000"));
}

TEST_CASE("nested attributes carry the flag and the length of all that is in them") {
  CHECK(Body([](auto& w) { w.EndNested(w.BeginNested(3)); }) == Same("0400 0380"));
  CHECK(Body([](auto& w) {
          const size_t outer = w.BeginNested(1);
          w.PutValue(1, uint16_t{2});
          const size_t inner = w.BeginNested(2);
          w.PutString(6, "lc");
          w.EndNested(inner);
          w.EndNested(outer);
          w.PutValue(4, uint32_t{7});
        }) == Same("1800 0180"            // outer: 4 + 8 + 12
                   "0600 0100 0200 0000"  // its first attribute
                   "0c00 0280"            // inner: 4 + 8
                   "0700 0600 6c6300 00"
                   "0800 0400 07000000"));
}

TEST_CASE("messages of a batch stand back to back, each at its offset") {
  MessageWriter writer;
  for (int i = 0; i < 3; ++i) {
    writer.Begin(0x10, 0);
    writer.PutString(1, std::string(i, 'x'));
    writer.End();
  }
  const Batch batch = writer.Take();
  CHECK(batch.offsets == std::vector<uint32_t>{0, 24, 48});
  CHECK(ToHex(batch.bytes) == Same("18000000 1000 0000 00000000 00000000  0500 0100 00 000000"
                                   "18000000 1000 0000 00000000 00000000  0600 0100 7800 0000"
                                   "18000000 1000 0000 00000000 00000000  0700 0100 787800 00"));
}

TEST_CASE("a writer is empty after Take, and can be used again") {
  MessageWriter writer;
  writer.Begin(0x10, 0);
  writer.End();
  CHECK(writer.Take().size() == 1);
  CHECK(writer.Take().size() == 0);
  writer.Begin(0x11, 0);
  writer.End();
  const Batch batch = writer.Take();
  CHECK(ToHex(batch.bytes) == Same("10000000 1100 0000 00000000 00000000"));
  CHECK(batch.offsets == std::vector<uint32_t>{0});
}

TEST_CASE("GETFAMILY is byte for byte what ipvsadm sends") {
  const Batch batch = netlink::EncodeResolveFamily("IPVS");
  CHECK(ToHex(batch.bytes) == Same("20000000 1000 0500 00000000 00000000"  // nlctrl, REQUEST | ACK
                                   "03 01 0000"                            // GETFAMILY, version 1
                                   "0900 0200 49505653 00000000"));        // FAMILY_NAME "IPVS"
  CHECK(batch.offsets == std::vector<uint32_t>{0});
}

TEST_CASE("an attribute takes 65531 bytes, and refuses one more") {
  const netlink::Bytes most(MessageWriter::kMostContent);
  CHECK(most.size() == 65531);
  const netlink::Bytes more(most.size() + 1);
  const auto failure = [](auto write) {
    MessageWriter writer;
    writer.Begin(0x10, 0);
    write(writer);
    writer.End();
    return writer.Take().failure;
  };
  CHECK_FALSE(failure([&](auto& w) { w.Put(1, most); }));
  const auto refused = failure([&](auto& w) { w.Put(7, more); });
  CHECK(refused.code == EMSGSIZE);
  CHECK(refused.message == "attribute 7 holds 65532 bytes, and netlink takes at most 65531");
  CHECK_FALSE(failure([&](auto& w) { w.PutString(1, std::string(65530, 'x')); }));
  CHECK(failure([&](auto& w) { w.PutString(1, std::string(65531, 'x')); }).code == EMSGSIZE);
  const auto nested = [&](size_t size) {
    return failure([&](auto& w) {
      const size_t outer = w.BeginNested(1);
      const size_t inner = w.BeginNested(2);
      w.Put(3, netlink::Bytes(size));
      w.EndNested(inner);
      w.EndNested(outer);
    });
  };
  CHECK_FALSE(nested(65531 - 3 - 8));
  CHECK(nested(65531 - 3 - 7).message == "attribute 1 holds 65532 bytes, and netlink takes at most 65531");
  CHECK(nested(65531).message.starts_with("attribute 2 holds 65536 bytes"));
}

TEST_CASE("a batch that is refused keeps its messages apart, and is not sent") {
  MessageWriter writer;
  for (int i = 0; i < 3; ++i) {
    writer.Begin(0x10, 0);
    writer.PutValue(1, uint32_t{1});
    const size_t nested = writer.BeginNested(4);
    if (i == 1) writer.Put(5, netlink::Bytes(70'000));
    writer.PutString(2, "after");
    writer.EndNested(nested);
    writer.End();
  }
  const Batch batch = writer.Take();
  CHECK(batch.failure.code == EMSGSIZE);
  CHECK(batch.size() == 3);
  CHECK_FALSE(writer.Take().failure);  // the writer starts again
}

TEST_CASE("a batch has a limit as a whole") {
  const auto failure = [](size_t most) {
    MessageWriter writer(most);
    for (int i = 0; i < 4; ++i) {
      writer.Begin(0x10, 0);
      writer.Fixed(uint32_t{1});
      writer.PutValue(1, uint32_t{1});
      writer.EndNested(writer.BeginNested(2));
      writer.End();
    }
    return writer.Take().failure;
  };
  for (size_t most = 0; most < 4 * 32; ++most) {
    CAPTURE(most);
    CHECK(failure(most).code == EMSGSIZE);
  }
  CHECK_FALSE(failure(4 * 32 + NLMSG_ALIGNTO));
}

TEST_CASE("messages from outside are checked against their offsets") {
  MessageWriter writer;
  for (int i = 0; i < 3; ++i) {
    writer.Begin(0x10, 0);
    writer.PutValue(1, uint8_t{1});
    writer.End();
  }
  const Batch whole = writer.Take();
  CHECK_FALSE(CheckBatch(whole));
  const auto code = [&](std::vector<uint32_t> offsets, size_t size) {
    Batch batch = whole;
    batch.offsets = std::move(offsets);
    batch.bytes.resize(size);
    return CheckBatch(batch).code;
  };
  CHECK(code({0, 24, 48}, 72) == 0);
  for (const auto& offsets : std::vector<std::vector<uint32_t>>{{},
                                                                {0},
                                                                {24, 48},
                                                                {0, 48, 24},
                                                                {0, 0, 24, 48},
                                                                {0, 24, 24, 48},
                                                                {0, 24, 48, 72},
                                                                {0, 20, 48},
                                                                {0, 24, 47},
                                                                {0, 24, 0xffffffff},
                                                                {0, 0xfffffff0, 48}}) {
    CHECK(code(offsets, 72) == EINVAL);
  }
  for (size_t size = 0; size < 72; ++size) CHECK(code({0, 24, 48}, size) == EINVAL);
  CHECK(code({0, 24, 48}, 76) == EINVAL);
}
