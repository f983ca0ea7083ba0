// Tests with real replies of ctnetlink, with every possible cut and every possible flipped bit. Nothing faults (under
// the sanitizers), and a rejected message leaves nothing behind.
#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>

#include "fuzz/feed.h"
#include "test/bytes.h"
#include "test/conntrack_replies.h"

using conntrack::FlowBatch;
using netlink::Bytes;
using netlink::View;
using test::Hex;

namespace {

constexpr size_t kHeader = 4;  // nfgenmsg

std::vector<Bytes> PayloadsOfAll(std::initializer_list<unsigned> types) {
  std::vector<Bytes> all;
  for (const auto& [name, hex] : conntrack_replies::kAll) {
    for (const unsigned type : types) {
      for (auto& payload : test::Payloads(Hex(hex), type)) all.push_back(std::move(payload));
    }
  }
  return all;
}

// Returns the sizes at which the message can be cut and still be valid: after each attribute, with or without its
// padding.
std::set<size_t> Ends(View payload) {
  std::set<size_t> ends{kHeader};
  bool malformed = false;
  netlink::AttributeReader attributes(payload.subspan(kHeader), malformed);
  for (size_t start = kHeader; attributes.Next();) {
    const size_t size = NLA_HDRLEN + attributes.payload().size();
    for (size_t end = size; end <= NLA_ALIGN(size); ++end) ends.insert(start + end);
    start += NLA_ALIGN(size);
  }
  REQUIRE_FALSE(malformed);
  return ends;
}

// A batch with content, to check that the content stays.
class Held {
 public:
  Held() {
    for (const char* answer : {conntrack_replies::kRare, conntrack_replies::kUdp}) {
      for (const auto& payload : test::Payloads(Hex(answer), 0x100)) REQUIRE(DecodeFlow(payload, batch_));
    }
    batch_.text = "text";
    before_ = batch_;
  }

  // Decodes a payload and removes the result. `untouched` becomes false, permanently, if anything else changes.
  bool Decode(View payload) {
    const bool accepted = conntrack::DecodeFlow(payload, batch_);
    if (accepted) {
      untouched &= batch_.flows.size() == before_.flows.size() + 1;
      batch_.flows.resize(before_.flows.size());
      batch_.extensions.resize(before_.extensions.size());
      batch_.text.resize(before_.text.size());
    }
    untouched &=
        Same(batch_.flows, before_.flows) && Same(batch_.extensions, before_.extensions) && batch_.text == before_.text;
    return accepted;
  }

  bool untouched = true;

 private:
  template <typename T>
  static bool Same(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
  }

  FlowBatch batch_;
  FlowBatch before_;
};

// A flow with security contexts before and after other attributes; none of the recordings has one.
const char* const kNamed =
    "02000000 0e00 1380 0a00 0100 73797374656d 0000 0c00 0580 0800 0100 66747000"
    "0e00 1380 0a00 0100 6f74686572 00 0000 0800 0800 00000007";

std::vector<Bytes> Flows() {
  auto flows = PayloadsOfAll({0x100, 0x102});
  flows.push_back(Hex(kNamed));
  return flows;
}

template <typename Decode>
int AcceptedWrongly(const std::vector<Bytes>& payloads, Decode decode) {
  int wrong = 0;
  for (const auto& payload : payloads) {
    const auto ends = Ends(payload);
    REQUIRE(*ends.rbegin() == payload.size());
    for (size_t size = 0; size <= payload.size(); ++size) {
      const auto cut = test::Copy(View(payload).first(size));
      if (static_cast<bool>(decode(cut)) != ends.contains(size)) ++wrong;
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("ctnetlink: a record cut anywhere but between two attributes is no record") {
  CHECK(Flows().size() > 15);
  Held held;
  CHECK(AcceptedWrongly(Flows(), [&](View cut) { return held.Decode(cut); }) == 0);
  CHECK(held.untouched);
  const auto expectations = PayloadsOfAll({0x200});
  CHECK(expectations.size() == 2);
  CHECK(AcceptedWrongly(expectations, conntrack::DecodeExpectation) == 0);
  const auto statistics = PayloadsOfAll({0x103, 0x104});
  CHECK(statistics.size() == 4);
  CHECK(AcceptedWrongly(statistics, conntrack::DecodeProcessorStatistics) == 0);
  CHECK(AcceptedWrongly(PayloadsOfAll({0x105}), conntrack::DecodeGlobalStatistics) == 0);
}

TEST_CASE("ctnetlink: one flipped bit, anywhere in a flow") {
  Held held;
  size_t refused = 0;
  size_t flips = 0;
  for (auto payload : Flows()) {
    for (size_t bit = 0; bit < 8 * payload.size(); ++bit, ++flips) {
      const auto mask = static_cast<std::byte>(1 << (bit % 8));
      payload[bit / 8] ^= mask;
      if (!held.Decode(payload)) ++refused;
      payload[bit / 8] ^= mask;
    }
  }
  CHECK(flips > 30'000);
  // Most wrong lengths are rejected; addresses and numbers can have any value.
  CHECK(refused > flips / 20);
  CHECK(held.untouched);
}

TEST_CASE("ctnetlink: whole answers, cut and with flipped bits, to all that reads what the kernel sends") {
  for (const auto& [name, hex] : conntrack_replies::kAll) {
    const auto& answered = name;  // clang 14 captures no structured binding
    CAPTURE(answered);
    auto answer = Hex(hex);
    for (size_t size = 0; size <= answer.size(); ++size) fuzz::FeedDatagram(test::Copy(View(answer).first(size)));
    for (size_t bit = 0; bit < 8 * answer.size(); ++bit) {
      const auto mask = static_cast<std::byte>(1 << (bit % 8));
      answer[bit / 8] ^= mask;
      fuzz::FeedDatagram(answer);
      answer[bit / 8] ^= mask;
    }
  }
}
