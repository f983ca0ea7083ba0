// Tests a channel against the real kernel: every kernel has the generic netlink controller, and it answers any user.
#include "netlink/channel.h"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <future>
#include <memory>
#include <string>

#include "netlink/generic_family.h"
#include "test/channel_kernel.h"

using netlink::Exchange;
using netlink::Failure;
using netlink::MessageWriter;
using netlink::Socket;
using test::Answer;
using test::CountCodes;
using test::Dump;
using test::GetFamily;
using test::Kernel;
using test::Repeated;

TEST_CASE("the controller knows itself, under the number it always has") {
  Kernel kernel;
  const Answer answer = kernel.Ask(Repeated("nlctrl", 1));
  REQUIRE(answer.outcomes.size() == 1);
  CHECK(answer.outcomes[0].code == 0);
  REQUIRE(answer.replies.size() == 1);
  auto family = netlink::DecodeFamily(answer.replies[0].payload);
  REQUIRE(family.ok());
  CHECK(family.value() == GENL_ID_CTRL);
}

TEST_CASE("ResolveFamily: a number, or ENOENT") {
  Kernel kernel;
  const auto resolve = [&](std::string_view name) {
    std::promise<netlink::Result<uint16_t>> done;
    kernel.InThread(
        [&] { netlink::ResolveFamily(*kernel.channel, name, 0, [&](const auto& result) { done.set_value(result); }); });
    return done.get_future().get();
  };
  auto known = resolve("nlctrl");
  REQUIRE(known.ok());
  CHECK(known.value() == GENL_ID_CTRL);
  const auto unknown = resolve("NOSUCHFAMILY");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.failure().code == ENOENT);
}

TEST_CASE("500 requests, many windows: 500 outcomes and 500 replies, in order") {
  Kernel kernel;
  const Answer answer = kernel.Ask(Repeated("nlctrl", 500));
  REQUIRE(answer.outcomes.size() == 500);
  CHECK(CountCodes(answer.outcomes) == std::array<int, 3>{500, 0, 0});
  REQUIRE(answer.replies.size() == 500);
  for (size_t i = 1; i < answer.replies.size(); ++i) {
    if (answer.replies[i].sequence != answer.replies[0].sequence + i) FAIL_CHECK("reply ", i, " is out of order");
  }
  CHECK(kernel.Ask(Repeated("nlctrl", 1)).replies.size() == 1);  // the channel still works
}

TEST_CASE("good and bad requests, each with its own outcome") {
  Kernel kernel;
  MessageWriter writer;
  for (int i = 0; i < 300; ++i) GetFamily(writer, i % 3 == 1 ? "NOSUCHFAMILY" : "nlctrl");
  const Answer answer = kernel.Ask(writer.Take());
  REQUIRE(answer.outcomes.size() == 300);
  for (int i = 0; i < 300; ++i) {
    if (answer.outcomes[i].code != (i % 3 == 1 ? ENOENT : 0)) FAIL_CHECK("outcome ", i, ": ", answer.outcomes[i].code);
  }
  CHECK(answer.replies.size() == 200);
}

TEST_CASE("large requests: windows are bounded by bytes too, and errors come in the kernel's words") {
  Kernel kernel;
  const Answer answer = kernel.Ask(Repeated(std::string(5000, 'x'), 50));
  REQUIRE(answer.outcomes.size() == 50);
  for (const auto& outcome : answer.outcomes) {
    CHECK((outcome.code == ERANGE || outcome.code == EINVAL));
    CHECK(outcome.message.find("Attribute failed policy validation") != std::string::npos);
  }
  CHECK(answer.replies.empty());
}

TEST_CASE("a dump gives many replies and one outcome") {
  Kernel kernel;
  const Answer answer = kernel.Ask(Dump(CTRL_CMD_GETFAMILY));
  REQUIRE(answer.outcomes.size() == 1);
  CHECK(answer.outcomes[0].code == 0);
  CHECK(answer.outcomes[0].message.empty());
  REQUIRE(answer.replies.size() > 1);
  int controllers = 0;
  for (const auto& reply : answer.replies) {
    auto family = netlink::DecodeFamily(reply.payload);
    REQUIRE(family.ok());
    if (family.value() == GENL_ID_CTRL) ++controllers;
  }
  CHECK(controllers == 1);
}

TEST_CASE("a dump that the kernel refuses") {
  Kernel kernel;
  const Answer answer = kernel.Ask(Dump(CTRL_CMD_NEWFAMILY));
  REQUIRE(answer.outcomes.size() == 1);
  CHECK(answer.outcomes[0].code == EOPNOTSUPP);
  CHECK(answer.replies.empty());
}

TEST_CASE("an exchange of nothing is done at once") {
  Kernel kernel;
  CHECK(kernel.Ask({}).outcomes.empty());
}

TEST_CASE("exchanges are answered in the order they are submitted, also from a callback") {
  Kernel kernel;
  std::vector<int> order;
  std::promise<void> done;
  kernel.InThread([&] {
    const auto submit = [&](int number, int count, std::function<void()> then) {
      Exchange exchange;
      exchange.batch = Repeated("nlctrl", count);
      exchange.on_done = [&order, number, then = std::move(then)](const std::vector<Failure>&) {
        order.push_back(number);
        then();
      };
      kernel.channel->Submit(std::move(exchange));
    };
    submit(1, 400, [&, submit] { submit(4, 1, [&] { done.set_value(); }); });
    submit(2, 1, [] {});
    submit(3, 70, [] {});
  });
  done.get_future().wait();
  CHECK(order == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("Cancel ends what has not been sent, also of many, and nothing else") {
  Kernel kernel;
  auto first = std::make_shared<std::promise<Answer>>();
  auto second = std::make_shared<std::promise<Answer>>();
  auto third = std::make_shared<std::promise<Answer>>();
  auto results = std::array{first->get_future(), second->get_future(), third->get_future()};
  kernel.InThread([&] {
    uint32_t tag = 7;
    for (const auto& [count, done] : {std::pair(500, first), std::pair(3, second), std::pair(3, third)}) {
      Exchange exchange = Kernel::Keep(Repeated("nlctrl", count), done);
      exchange.tag = tag++;
      kernel.channel->Submit(std::move(exchange));
    }
    kernel.channel->Cancel(7);   // under way: the sent requests are carried out
    kernel.channel->Cancel(8);   // waits
    kernel.channel->Cancel(99);  // unknown
  });
  const Answer broken_off = results[0].get();
  const auto [sent, left, failed] = CountCodes(broken_off.outcomes);
  CHECK(sent > 0);
  CHECK(left > 0);
  CHECK(sent + left == 500);
  CHECK(broken_off.replies.size() == static_cast<size_t>(sent));
  CHECK(failed == 0);
  const Answer cancelled = results[1].get();
  CHECK(CountCodes(cancelled.outcomes) == std::array<int, 3>{0, 3, 0});
  CHECK(cancelled.replies.empty());
  CHECK(CountCodes(results[2].get().outcomes) == std::array<int, 3>{3, 0, 0});
}

TEST_CASE("the end of a channel ends every exchange, and what their callbacks submit") {
  Kernel kernel;
  auto first = std::make_shared<std::promise<Answer>>();
  auto second = std::make_shared<std::promise<Answer>>();
  auto late = std::make_shared<std::promise<Answer>>();
  auto results = std::array{first->get_future(), second->get_future(), late->get_future()};
  kernel.InThread([&] {
    kernel.channel->Submit(Kernel::Keep(Repeated("nlctrl", 500), first));
    Exchange exchange = Kernel::Keep(Repeated("nlctrl", 3), second);
    exchange.on_done = [&, channel = kernel.channel.get(), then = exchange.on_done](std::vector<Failure> outcomes) {
      channel->Submit(Kernel::Keep(Repeated("nlctrl", 2), late));
      then(std::move(outcomes));
    };
    kernel.channel->Submit(std::move(exchange));
    kernel.channel.reset();
  });
  const auto begun = CountCodes(results[0].get().outcomes);
  CHECK(begun[0] > 0);  // those of the first windows were carried out
  CHECK(begun[1] > 0);
  CHECK(begun[0] + begun[1] == 500);
  CHECK(CountCodes(results[1].get().outcomes) == std::array<int, 3>{0, 3, 0});
  CHECK(CountCodes(results[2].get().outcomes) == std::array<int, 3>{0, 2, 0});
}

TEST_CASE("a channel may outlive the thread, and still ends its exchanges") {
  Kernel kernel;
  auto done = std::make_shared<std::promise<Answer>>();
  auto result = done->get_future();
  kernel.InThread([&] {
    kernel.channel->Submit(Kernel::Keep(Repeated("nlctrl", 5000), std::move(done)));
    kernel.io.strand->Post([&] { kernel.io.strand->Post([] {}); });
  });
  kernel.io.pool.Stop();
  kernel.channel.reset();
  const auto counts = CountCodes(result.get().outcomes);
  CHECK(counts[0] + counts[1] == 5000);
  CHECK(counts[2] == 0);
}

TEST_CASE("only the kernel is believed: what another process sends to our port changes nothing") {
  Kernel kernel;
  auto other = Socket::Open(NETLINK_GENERIC);
  REQUIRE(other.ok());
  // An error for the first request (its sequence number is 1), and a forged reply to it.
  const auto forged = test::Hex(
      "24000000 0200 0001 01000000 00000000 ffffffff 20000000 1000 0500 01000000 00000000"
      "14000000 1000 0000 01000000 00000000 01020000");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_pid = kernel.port();
  Answer answer;
  auto done = std::make_shared<std::promise<Answer>>();
  auto result = done->get_future();
  kernel.InThread([&] {
    const auto sent = sendto(other.value().fd(), forged.data(), forged.size(), 0,
                             reinterpret_cast<const sockaddr*>(&address), sizeof address);
    CHECK_MESSAGE(sent == static_cast<ssize_t>(forged.size()), "sending to a port takes CAP_NET_ADMIN");
    kernel.channel->Submit(Kernel::Keep(Repeated("nlctrl", 1), std::move(done)));
  });
  answer = result.get();
  REQUIRE(answer.outcomes.size() == 1);
  CHECK(answer.outcomes[0].code == 0);
  REQUIRE(answer.replies.size() == 1);
  CHECK(answer.replies[0].payload.size() > 4);
}
