// Tests exchanges in which only the last request of a window is acknowledged: each request still has its own outcome.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "test/channel_kernel.h"

using netlink::Batch;
using netlink::Exchange;
using netlink::Failure;
using netlink::MessageWriter;
using test::Answer;
using test::CountCodes;
using test::GetFamily;
using test::Kernel;

namespace {

constexpr int kWindow = 64;  // of channel.cc

// Receive buffer size in bytes. The kernel raises it to its minimum, which holds one acknowledgement but not those of
// a whole window.
constexpr int kSmallBuffer = 1;

// Writes a request that the kernel ignores: it sends only the acknowledgement.
void Nothing(MessageWriter& writer) {
  writer.Begin(NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK);
  writer.End();
}

// Writes `count` requests; request i fails if `wrong(i)` is true.
template <typename Wrong>
Batch Requests(int count, Wrong wrong) {
  MessageWriter writer;
  for (int i = 0; i < count; ++i) {
    if (wrong(i)) {
      GetFamily(writer, "NOSUCHFAMILY");
    } else {
      Nothing(writer);
    }
  }
  return writer.Take();
}

template <typename Wrong>
void CheckOutcomes(const Answer& answer, int count, Wrong wrong) {
  REQUIRE(answer.outcomes.size() == static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    if (answer.outcomes[i].code != (wrong(i) ? ENOENT : 0)) FAIL_CHECK("outcome ", i, ": ", answer.outcomes[i].code);
  }
}

}  // namespace

TEST_CASE("terse: all succeed, in one window and in many") {
  Kernel kernel;
  const auto none = [](int) { return false; };
  for (const int count : {1, 2, kWindow - 1, kWindow, kWindow + 1, 500}) {
    CAPTURE(count);
    CheckOutcomes(kernel.Ask(Requests(count, none), true), count, none);
  }
  CHECK(kernel.Ask({}, true).outcomes.empty());
}

TEST_CASE("terse: only the last of a window is acknowledged") {
  Kernel kernel(kSmallBuffer);
  const auto none = [](int) { return false; };
  // With one acknowledgement per request the buffer overruns. Otherwise it is too large for this test.
  const auto [done, cancelled, lost] = CountCodes(kernel.Ask(Requests(kWindow, none)).outcomes);
  CHECK(lost > 0);
  CheckOutcomes(kernel.Ask(Requests(300, none), true), 300, none);
}

TEST_CASE("terse: one in the middle fails, and it alone") {
  Kernel kernel;
  for (const int at : {0, 1, 30, kWindow - 2, kWindow, 3 * kWindow + 7}) {
    CAPTURE(at);
    const auto wrong = [&](int i) { return i == at; };
    CheckOutcomes(kernel.Ask(Requests(250, wrong), true), 250, wrong);
  }
}

TEST_CASE("terse: the last fails, of the exchange or of a window") {
  Kernel kernel;
  for (const int at : {0, kWindow - 1, 2 * kWindow - 1, 249}) {
    CAPTURE(at);
    const auto wrong = [&](int i) { return i == at; };
    CheckOutcomes(kernel.Ask(Requests(250, wrong), true), 250, wrong);
    CheckOutcomes(kernel.Ask(Requests(at + 1, wrong), true), at + 1, wrong);
  }
}

TEST_CASE("terse: many fail, all fail") {
  Kernel kernel;
  const auto third = [](int i) { return i % 3 == 1; };
  CheckOutcomes(kernel.Ask(Requests(300, third), true), 300, third);
  const auto all = [](int) { return true; };
  CheckOutcomes(kernel.Ask(Requests(300, all), true), 300, all);
}

TEST_CASE("terse: a batch whose last request asks for no acknowledgement gets one") {
  Kernel kernel;
  MessageWriter writer;
  for (int i = 0; i < 3; ++i) {
    writer.Begin(NLMSG_NOOP, NLM_F_REQUEST);
    writer.End();
  }
  CHECK(CountCodes(kernel.Ask(writer.Take(), true).outcomes) == std::array<int, 3>{3, 0, 0});
}

TEST_CASE("terse: an error in the kernel's words goes to its own request") {
  Kernel kernel;
  MessageWriter writer;
  Nothing(writer);
  GetFamily(writer, std::string(500, 'x'));
  Nothing(writer);
  const Answer answer = kernel.Ask(writer.Take(), true);
  REQUIRE(answer.outcomes.size() == 3);
  CHECK(answer.outcomes[0].message.empty());
  CHECK(answer.outcomes[1].message.find("Attribute failed policy validation") != std::string::npos);
  CHECK(answer.outcomes[2].message.empty());
}

TEST_CASE("terse: after an overrun nothing that may have failed is called a success, and the channel goes on") {
  Kernel kernel(kSmallBuffer);
  for (const bool ends_well : {true, false}) {
    CAPTURE(ends_well);
    // The first errors fit the buffer; the later ones do not.
    const auto wrong = [&](int i) { return (i >= 5 && i < 55) || (!ends_well && i == kWindow - 1); };
    const Answer answer = kernel.Ask(Requests(kWindow, wrong), true);
    REQUIRE(answer.outcomes.size() == kWindow);
    int told = 0;
    int unknown = 0;
    for (int i = 0; i < kWindow; ++i) {
      const int code = answer.outcomes[i].code;
      if (code == ENOBUFS) {
        ++unknown;
      } else if (wrong(i)) {
        if (code != ENOENT) FAIL_CHECK("outcome ", i, ": ", code);
        ++told;
      }
    }
    CHECK(told > 0);
    CHECK(unknown > 0);
    const auto none = [](int) { return false; };
    CheckOutcomes(kernel.Ask(Requests(100, none), true), 100, none);
  }
}

TEST_CASE("terse: Cancel ends what has not been sent") {
  Kernel kernel;
  auto done = std::make_shared<std::promise<Answer>>();
  auto result = done->get_future();
  kernel.InThread([&] {
    // The channel handles up to 16 receives in a row: this batch needs more.
    Exchange exchange = Kernel::Keep(Requests(100 * kWindow, [](int) { return false; }), done);
    exchange.terse = true;
    exchange.tag = 7;
    kernel.channel->Submit(std::move(exchange));
    kernel.channel->Cancel(7);
  });
  const auto [sent, left, failed] = CountCodes(result.get().outcomes);
  CHECK(sent > 0);
  CHECK(sent % kWindow == 0);
  CHECK(left > 0);
  CHECK(failed == 0);
  CHECK(sent + left == 100 * kWindow);
}

TEST_CASE("terse and not, by turns over one channel") {
  Kernel kernel;
  const auto third = [](int i) { return i % 3 == 2; };
  for (int i = 0; i < 6; ++i) {
    CheckOutcomes(kernel.Ask(Requests(100, third), i % 2 == 0), 100, third);
    CHECK(kernel.Ask(test::Repeated("nlctrl", 3)).replies.size() == 3);
  }
}
