// Tests transactions and multicast groups with the real kernel.
#include "netlink/transaction.h"

#include <doctest/doctest.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "netlink/group_listener.h"
#include "test/channel_kernel.h"

using netlink::Batch;
using netlink::GroupListener;
using netlink::Heard;
using netlink::MessageWriter;
using netlink::ReceiveBuffers;
using netlink::Result;
using netlink::Socket;
using netlink::Verdict;

namespace {

Socket Opened(int protocol) {
  auto socket = Socket::Open(protocol);
  REQUIRE(socket.ok());
  return std::move(socket.value());
}

const std::string kTooLong(64, 'x');  // too long for a family name; the kernel's error has a text

}  // namespace

TEST_CASE("a transaction tells of each message whether something bad was said of it") {
  const Socket socket = Opened(NETLINK_GENERIC);
  ReceiveBuffers buffers;
  MessageWriter writer;
  for (const std::string& name : {std::string("nlctrl"), kTooLong, std::string("nlctrl"), std::string("no-such")}) {
    test::GetFamily(writer, name);
  }
  Batch batch = writer.Take();
  Result<Verdict> verdict = netlink::Transact(socket, buffers, batch, 7);
  REQUIRE(verdict.ok());
  CHECK_FALSE(verdict.value().lost);
  REQUIRE(verdict.value().outcomes.size() == 4);
  CHECK(verdict.value().outcomes[0].code == 0);
  CHECK(verdict.value().outcomes[1].code != 0);
  CHECK_FALSE(verdict.value().outcomes[1].message.empty());
  CHECK(verdict.value().outcomes[2].code == 0);
  CHECK(verdict.value().outcomes[3].code == ENOENT);
}

TEST_CASE("replies of an earlier transaction are not taken for those of the next") {
  const Socket socket = Opened(NETLINK_GENERIC);
  ReceiveBuffers buffers;
  Batch failing = test::Repeated("no-such", 3);
  REQUIRE_FALSE(socket.Send(failing.bytes));  // answered with sequence 0, and never read
  Batch batch = test::Repeated("nlctrl", 3);
  Result<Verdict> verdict = netlink::Transact(socket, buffers, batch, 100);
  REQUIRE(verdict.ok());
  for (const auto& outcome : verdict.value().outcomes) CHECK(outcome.code == 0);
}

TEST_CASE("a transaction may be larger than a socket's send buffer, as root") {
  const Socket socket = Opened(NETLINK_GENERIC);
  ReceiveBuffers buffers;
  MessageWriter writer;
  // Without NLM_F_ACK the kernel answers a successful request only with its reply. NOOP has none: it sends only errors.
  for (int i = 0; i < 20'000; ++i) {
    writer.Begin(NLMSG_NOOP, NLM_F_REQUEST);
    writer.Fixed(std::array<char, 60>{});
    writer.End();
  }
  test::GetFamily(writer, "no-such");
  Batch batch = writer.Take();
  Result<Verdict> verdict = netlink::Transact(socket, buffers, batch, 1);
  if (!verdict.ok()) {
    MESSAGE("not root: " << verdict.failure().message);
    return;
  }
  CHECK_FALSE(verdict.value().lost);
  CHECK(verdict.value().outcomes.back().code == ENOENT);
  CHECK(verdict.value().outcomes.front().code == 0);
}

TEST_CASE("replies that did not fit are told") {
  const Socket socket = Opened(NETLINK_GENERIC);
  const int little = 4096;
  REQUIRE(setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little) == 0);
  ReceiveBuffers buffers;
  Batch batch = test::Repeated("no-such", 1000);
  Result<Verdict> verdict = netlink::Transact(socket, buffers, batch, 1);
  REQUIRE(verdict.ok());
  CHECK(verdict.value().lost);
  CHECK(verdict.value().outcomes.front().code == ENOENT);
  // The socket is still usable.
  Batch next = test::Repeated("nlctrl", 1);
  Result<Verdict> after = netlink::Transact(socket, buffers, next, 5000);
  REQUIRE(after.ok());
  CHECK_FALSE(after.value().lost);
}

namespace {

// A new network namespace with a listener for links, and a socket that changes lo.
class Links {
 public:
  explicit Links(int receive_buffer = 0) {
    std::thread([&] {
      if (unshare(CLONE_NEWNET) != 0) return;
      speaker_.emplace(Opened(NETLINK_ROUTE));
      Socket socket = Opened(NETLINK_ROUTE);
      if (receive_buffer != 0) {
        setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
      }
      On([&] {
        auto opened = GroupListener::Open(*io_.strand, std::move(socket), {RTNLGRP_LINK});
        REQUIRE(opened.ok());
        listener_ = std::move(opened.value());
      });
    }).join();
  }
  ~Links() { Close(); }
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  bool usable() const { return listener_ != nullptr; }
  void Close() {
    On([&] { listener_.reset(); });
  }
  void Cancel(uint32_t tag) {
    On([&] { listener_->Cancel(tag); });
  }

  std::future<Result<Heard>> Next(uint32_t tag = 1) {
    auto promise = std::make_shared<std::promise<Result<Heard>>>();
    On([&] { listener_->Next(tag, [promise](Result<Heard> heard) { promise->set_value(std::move(heard)); }); });
    return promise->get_future();
  }

  // Sets lo up and down by turns; each change makes one event.
  void Change(int times) {
    for (int i = 0; i < times; ++i) {
      MessageWriter writer;
      writer.Begin(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK);
      ifinfomsg link{};
      link.ifi_index = 1;
      link.ifi_flags = i % 2 == 0 ? IFF_UP : 0;
      link.ifi_change = IFF_UP;
      writer.Fixed(link);
      writer.End();
      Batch batch = writer.Take();
      ReceiveBuffers buffers;
      auto verdict = netlink::Transact(*speaker_, buffers, batch, static_cast<uint32_t>(i) + 1);
      REQUIRE(verdict.ok());
      REQUIRE(verdict.value().outcomes[0].code == 0);
    }
  }

 private:
  void On(const std::function<void()>& work) { test::RunInThread(*io_.strand, work); }

  test::Io io_;
  std::optional<Socket> speaker_;
  std::shared_ptr<GroupListener> listener_;
};

}  // namespace

TEST_CASE("what is said to a group is heard, before it is asked for and after") {
  Links links;
  REQUIRE_MESSAGE(links.usable(), "the tests of namespaces take CAP_SYS_ADMIN");
  links.Change(1);
  Result<Heard> first = links.Next().get();
  REQUIRE(first.ok());
  netlink::MessageReader reader(first.value().messages);
  netlink::Message message;
  REQUIRE(reader.Next(message));
  CHECK(message.header.nlmsg_type == RTM_NEWLINK);
  auto waiting = links.Next();
  links.Change(2);
  CHECK(waiting.get().ok());
}

TEST_CASE("who waits for a group can give up, is told when it closes, and is alone") {
  Links links;
  REQUIRE_MESSAGE(links.usable(), "the tests of namespaces take CAP_SYS_ADMIN");
  auto given_up = links.Next(5);
  CHECK(links.Next(6).get().failure().code == EBUSY);
  links.Cancel(6);  // the tag of no waiting call
  links.Cancel(5);
  CHECK(given_up.get().failure().code == ECANCELED);
  auto waiting = links.Next(7);
  links.Close();
  CHECK(waiting.get().failure().code == ECANCELED);
}

TEST_CASE("what a group said and nobody read is told to be lost, and the next is heard") {
  Links links(4096);
  REQUIRE_MESSAGE(links.usable(), "the tests of namespaces take CAP_SYS_ADMIN");
  bool overrun = false;
  // The thread reads every event at once: repeat until it is too slow once.
  for (int i = 0; i < 20 && !overrun; ++i) {
    links.Change(100);
    overrun = links.Next().get().value().overrun;
  }
  if (!overrun) MESSAGE("the listener was never too slow");
  auto waiting = links.Next();
  links.Change(1);
  CHECK(waiting.get().ok());
}
