// Tests with real replies, with every possible cut and every possible flipped bit. Nothing faults (under the
// sanitizers), and no incomplete record is accepted.
#include <doctest/doctest.h>

#include <string>

#include "fuzz/feed.h"
#include "test/bytes.h"
#include "test/replies.h"

using netlink::Message;
using netlink::MessageReader;
using netlink::View;
using test::Hex;

namespace {

struct Reading {
  size_t messages = 0;
  bool malformed = false;
};

Reading ReadAll(View datagram) {
  MessageReader reader(datagram);
  Message message;
  Reading reading;
  while (reader.Next(message)) ++reading.messages;
  reading.malformed = reader.malformed();
  return reading;
}

// Returns the number of truncated payloads that `decode` accepts, over all cuts of each payload.
template <typename Decode>
int AcceptedWhenCut(const char* answer, unsigned type, Decode decode) {
  int accepted = 0;
  for (const auto& payload : test::Payloads(Hex(answer), type)) {
    REQUIRE(decode(payload));
    for (size_t size = 0; size < payload.size(); ++size) {
      const auto cut = test::Copy(View(payload).first(size));
      accepted += decode(cut) ? 1 : 0;
    }
  }
  return accepted;
}

}  // namespace

TEST_CASE("a reply cut anywhere but between two messages is malformed") {
  for (const auto& recording : replies::kRecordings) {
    for (const auto& [name, hex] : recording.all()) {
      CAPTURE(recording.release);
      const auto& answered = name;  // clang 14 captures no structured binding
      CAPTURE(answered);
      const auto answer = Hex(hex);
      std::vector<size_t> ends{0};
      for (const auto& message : test::Split(answer)) ends.push_back(ends.back() + NLMSG_ALIGN(message.size()));
      REQUIRE(ends.back() == answer.size());
      int wrong = 0;
      for (size_t size = 0; size <= answer.size(); ++size) {
        const auto cut = test::Copy(View(answer).first(size));
        const auto whole = std::upper_bound(ends.begin(), ends.end(), size) - ends.begin() - 1;
        const Reading reading = ReadAll(cut);
        if (reading.malformed != (ends[whole] != size)) ++wrong;
        if (reading.messages != static_cast<size_t>(whole)) ++wrong;
        fuzz::FeedDatagram(cut);
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("a record cut short is no record") {
  for (const auto& recording : replies::kRecordings) {
    CAPTURE(recording.release);
    CHECK(AcceptedWhenCut(recording.services, recording.family, ipvs::DecodeService) == 0);
    CHECK(AcceptedWhenCut(recording.service, recording.family, ipvs::DecodeService) == 0);
    CHECK(AcceptedWhenCut(recording.servers_mixed, recording.family, ipvs::DecodeServer) == 0);
    CHECK(AcceptedWhenCut(recording.servers_six, recording.family, ipvs::DecodeServer) == 0);
    CHECK(AcceptedWhenCut(recording.servers_mark, recording.family, ipvs::DecodeServer) == 0);
    CHECK(AcceptedWhenCut(recording.servers_traffic, recording.family, ipvs::DecodeServer) == 0);
    CHECK(AcceptedWhenCut(recording.daemons, recording.family, ipvs::DecodeDaemon) == 0);
    // These messages are flat: cut between two attributes (of 8 bytes, after 4 bytes) they are still valid.
    CHECK(AcceptedWhenCut(recording.config, recording.family, ipvs::DecodeTimeouts) == 3);
    CHECK(AcceptedWhenCut(recording.info, recording.family, ipvs::DecodeInfo) == 2);
  }
}

TEST_CASE("an acknowledgement cut inside its fixed part is none") {
  for (const auto& recording : replies::kRecordings) {
    for (const char* hex : {recording.no_such_service, recording.no_such_service_uncapped, recording.bad_attribute,
                            recording.bad_attribute_uncapped, recording.no_such_family}) {
      for (const auto& payload : test::Payloads(Hex(hex), NLMSG_ERROR)) {
        for (size_t size = 0; size <= payload.size(); ++size) {
          const auto cut = test::Copy(View(payload).first(size));
          for (const uint16_t flags : {0, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_CAPPED | NLM_F_ACK_TLVS}) {
            Message message;
            message.header.nlmsg_flags = flags;
            message.payload = cut;
            const auto result = netlink::ReadAcknowledgement(message);
            if (result.has_value() != (size >= sizeof(nlmsgerr))) FAIL_CHECK("cut at ", size);
          }
        }
      }
    }
  }
}

TEST_CASE("one flipped bit, anywhere") {
  size_t flips = 0;
  for (const auto& recording : replies::kRecordings) {
    for (const auto& [name, hex] : recording.all()) {
      for (auto message : test::Split(Hex(hex))) {
        const auto length = message.size();
        for (size_t bit = 0; bit < 8 * length; ++bit, ++flips) {
          const auto mask = static_cast<std::byte>(1 << (bit % 8));
          message[bit / 8] ^= mask;
          fuzz::FeedDatagram(message);
          // The first four bytes are the length of the message: only the right one is valid. (Padding could hide a
          // wrong one, but these messages have none.)
          if (bit < 32 && !ReadAll(message).malformed) FAIL_CHECK(recording.release, " ", name, " bit ", bit);
          message[bit / 8] ^= mask;
        }
      }
    }
  }
  CHECK(flips > 100'000);
}
