// Tests that a kernel call that fails, or is carried out only in part, is reported by its caller.
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <set>

#include "conntrack/event_stream.h"
#include "conntrack/flow_dump.h"
#include "netlink/channel.h"
#include "netlink/group_listener.h"
#include "netlink/packet_socket.h"
#include "netlink/transaction.h"
#include "netns/namespace.h"
#include "test/channel_kernel.h"
#include "test/scripted.h"

using conntrack::Event;
using conntrack::EventBatch;
using conntrack::EventOptions;
using conntrack::EventStream;
using netlink::Failure;
using netlink::GroupListener;
using netlink::Heard;
using netlink::ReceiveBuffers;
using netlink::Result;
using netlink::Socket;
using netlink::Strand;
using test::calls;
using test::Datagram;

namespace {

using SendFault = decltype(calls().sendto)::Fault;
using ControlFault = decltype(calls().epoll_ctl)::Fault;
using OptionFault = decltype(calls().setsockopt)::Fault;

Socket Opened(int protocol = NETLINK_ROUTE) {
  auto socket = Socket::Open(protocol);
  REQUIRE(socket.ok());
  return std::move(socket.value());
}

// A strand whose threads have ended: the test's thread may run its work.
struct Stopped {
  Stopped() { io.pool.Stop(); }
  test::Io io;
  Strand& strand = *io.strand;
};

// Fails the nth watch of a descriptor from now on (1: the first).
auto FailWatch(int nth) {
  return [nth, seen = std::make_shared<int>(0)](int, int operation, int, epoll_event*) -> std::optional<int> {
    if (operation != EPOLL_CTL_ADD || ++*seen != nth) return std::nullopt;
    errno = ENOSPC;
    return -1;
  };
}

auto ShortBy(size_t missing) {
  return [missing](int, const void*, size_t size) -> std::optional<ssize_t> {
    return static_cast<ssize_t>(size - missing);
  };
}

netlink::Bytes Message(uint16_t type, size_t content) {
  netlink::MessageWriter writer;
  writer.Begin(type, 0);
  for (size_t i = 0; i < content; i += 4) writer.Fixed(uint32_t{0});
  writer.End();
  return writer.Take().bytes;
}

std::shared_ptr<GroupListener> Listening(Strand& strand, Socket socket) {
  auto opened = GroupListener::Open(strand, std::move(socket), {RTNLGRP_LINK});
  REQUIRE(opened.ok());
  return std::move(opened.value());
}

// Sends requests and returns their outcomes, which the channel must know at once.
std::vector<Failure> Ended(netlink::Channel& channel, uint32_t requests) {
  std::vector<Failure> outcomes;
  netlink::Exchange exchange;
  exchange.batch = test::Repeated("nlctrl", requests);
  exchange.on_done = [&](std::vector<Failure> ended) { outcomes = std::move(ended); };
  channel.Submit(std::move(exchange));
  REQUIRE(outcomes.size() == requests);
  return outcomes;
}

template <typename T, typename Stream>
std::optional<Result<T>> Next(Stream& stream) {
  std::optional<Result<T>> got;
  stream.Next(1, [&](Result<T> result) { got.emplace(std::move(result)); });
  return got;
}

}  // namespace

TEST_CASE("a group listener reports an overrun for a datagram that did not fit") {
  Stopped stopped;
  Socket socket = Opened();
  const int fd = socket.fd();
  const auto listener = Listening(stopped.strand, std::move(socket));
  const test::Script script(fd,
                            {{Message(RTM_NEWLINK, 16)}, {Message(RTM_NEWLINK, 64), true}, {Message(RTM_DELLINK, 16)}});
  stopped.strand.CallAll();
  const auto heard = Next<Heard>(*listener);
  REQUIRE(heard->ok());
  CHECK(Result(*heard).value().overrun);
  // The whole datagrams around it are delivered.
  CHECK(test::Split(Result(*heard).value().messages).size() == 2);
}

TEST_CASE("a descriptor that cannot be watched fails what needs it") {
  Stopped stopped;
  SUBCASE("a channel") {
    Socket socket = Opened(NETLINK_GENERIC);
    const test::Script silent(socket.fd(), {});
    const auto channel = netlink::Channel::Create(stopped.strand, std::move(socket));
    const ControlFault fault(calls().epoll_ctl, FailWatch(1));
    CHECK(Ended(*channel, 2)[1].code == ENOSPC);
  }
  SUBCASE("a group listener") {
    const ControlFault fault(calls().epoll_ctl, FailWatch(1));
    const auto opened = GroupListener::Open(stopped.strand, Opened(), {RTNLGRP_LINK});
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.failure().code == ENOSPC);
  }
  SUBCASE("an event stream, for its events and for its timers") {
    for (const int nth : {1, 2, 3}) {
      CAPTURE(nth);
      const ControlFault fault(calls().epoll_ctl, FailWatch(nth));
      EventOptions options;
      options.resynchronise = true;
      const auto opened = EventStream::Open(stopped.strand, Opened(), Opened(), options);
      REQUIRE_FALSE(opened.ok());
      CHECK(opened.failure().code == ENOSPC);
    }
  }
}

TEST_CASE("a stream that paused and cannot be watched again reports it to whoever asks next") {
  Stopped stopped;
  SUBCASE("a group listener") {
    Socket socket = Opened();
    const int fd = socket.fd();
    const auto listener = Listening(stopped.strand, std::move(socket));
    const test::Script script(fd, std::deque<Datagram>(40, {Message(RTM_NEWLINK, 32 * 1024)}));
    for (int i = 0; i < 40; ++i) stopped.strand.CallAll();  // until it is full and stops watching
    const ControlFault fault(calls().epoll_ctl, FailWatch(1));
    CHECK(Next<Heard>(*listener)->ok());
    CHECK(Next<Heard>(*listener)->failure().code == ENOSPC);
    CHECK(Next<Heard>(*listener)->failure().code == ENOSPC);
  }
  SUBCASE("an event stream") {
    Socket socket = Opened();
    const int fd = socket.fd();
    auto opened = EventStream::Open(stopped.strand, std::move(socket), Opened(), {});
    REQUIRE(opened.ok());
    // Each datagram is malformed and counts as an overrun.
    const test::Script script(fd, std::deque<Datagram>(10'000, {Message(0x100, 8)}));
    for (int i = 0; i < 100; ++i) stopped.strand.CallAll();
    const ControlFault fault(calls().epoll_ctl, FailWatch(1));
    CHECK(Next<EventBatch>(*opened.value())->ok());
    CHECK(Next<EventBatch>(*opened.value())->failure().code == ENOSPC);
  }
}

TEST_CASE("a send that takes a part only is a failure") {
  const SendFault fault(calls().sendto, ShortBy(4));
  SUBCASE("of a channel") {
    Stopped stopped;
    const auto channel = netlink::Channel::Create(stopped.strand, Opened(NETLINK_GENERIC));
    for (const Failure& outcome : Ended(*channel, 3)) CHECK(outcome.code == EIO);
  }
  SUBCASE("of a transaction") {
    ReceiveBuffers buffers;
    netlink::Batch batch = test::Repeated("nlctrl", 3);
    const auto verdict = netlink::Transact(Opened(NETLINK_GENERIC), buffers, batch, 1);
    REQUIRE_FALSE(verdict.ok());
    CHECK(verdict.failure().code == EIO);
  }
  SUBCASE("of a dump") {
    conntrack::FlowDump dump(Opened(), conntrack::Command::kGet, {});
    conntrack::FlowBatch batch;
    CHECK(dump.Next(batch).code == EIO);
    CHECK(dump.ended());
  }
  SUBCASE("of a frame") {
    const netlink::Bytes frame(ETH_ZLEN);
    CHECK(netlink::SendFrame(1, frame).code == EIO);
  }
}

TEST_CASE("a file that takes a part of the text only is a failure") {
  const decltype(calls().write)::Fault fault(calls().write, ShortBy(2));
  const Failure failure = netns::WriteFile("/dev/null", "12345");
  CHECK(failure.code == EIO);
  CHECK(failure.message == "write /dev/null: the kernel took 3 of 5 bytes");
}

TEST_CASE("an interrupted read of a file is repeated") {
  std::atomic<int> reads = 0;
  const decltype(calls().read)::Fault fault(calls().read, [&](int, void*, size_t) -> std::optional<ssize_t> {
    if (++reads > 2) return std::nullopt;
    errno = EINTR;
    return -1;
  });
  const auto files = netns::ReadFiles({"/proc/sys/kernel/ostype"});
  CHECK(files[0].error == 0);
  CHECK(files[0].text == "Linux\n");
}

TEST_CASE("a FIFO in the place of a file does not block") {
  const std::string path = "/tmp/native-tests." + std::to_string(getpid()) + ".fifo";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK(netns::ReadFiles({path})[0].text.empty());
  CHECK(netns::WriteFile(path, "1").code == ENXIO);
  CHECK(netns::Namespace::Open(path).failure().code == EINVAL);
  unlink(path.c_str());
}

TEST_CASE("a dump that does not continue leaves the thread to others, and is given up after a second") {
  Socket socket = Opened();
  const test::Script script(socket.fd(), {});
  std::vector<int> waits;
  const decltype(calls().poll)::Fault fault(calls().poll, [&](pollfd*, nfds_t, int timeout) -> std::optional<int> {
    waits.push_back(timeout);
    usleep(50'000);
    return 0;
  });
  conntrack::FlowDump dump(std::move(socket), conntrack::Command::kGet, {});
  conntrack::FlowBatch batch;
  Failure failure;
  size_t turns = 0;
  for (; !failure && turns < 100; ++turns) failure = dump.Next(batch);
  CHECK(failure.code == ETIMEDOUT);
  CHECK(dump.ended());
  CHECK(turns > 2);
  CHECK(waits.size() == turns - 1);  // one wait in each turn but the last
  for (const int wait : waits) CHECK(wait <= 5);
}

TEST_CASE("a dump returns after some datagrams of which nothing matches") {
  Socket socket = Opened();
  const test::Script script(socket.fd(), std::deque<Datagram>(1000, {Message(NLMSG_NOOP, 4)}));
  conntrack::FlowDump dump(std::move(socket), conntrack::Command::kGet, {});
  conntrack::FlowBatch batch;
  size_t turns = 0;
  for (; turns < 15; ++turns) REQUIRE_FALSE(dump.Next(batch));
  CHECK_FALSE(dump.ended());
}

TEST_CASE("a transaction whose answers are damaged does not pass for one without errors") {
  netlink::Batch batch = test::Repeated("nlctrl", 2);
  ReceiveBuffers buffers;
  Datagram damaged{Message(NLMSG_ERROR, 20)};
  SUBCASE("truncated") { damaged.truncated = true; }
  SUBCASE("cut short") { damaged.bytes.resize(damaged.bytes.size() - 4); }
  const Socket socket = Opened(NETLINK_GENERIC);
  const test::Script script(socket.fd(), {damaged});
  auto verdict = netlink::Transact(socket, buffers, batch, 1);
  REQUIRE(verdict.ok());
  CHECK(verdict.value().lost);
}

TEST_CASE("an event that cannot be read is an overrun") {
  Stopped stopped;
  Socket events = Opened();
  const int fd = events.fd();
  EventOptions options;
  options.expectations = true;
  auto opened = EventStream::Open(stopped.strand, std::move(events), Opened(), options);
  REQUIRE(opened.ok());
  Datagram datagram{Message(0x100, 8)};  // with an attribute whose length is 0
  SUBCASE("a flow with a malformed attribute") {}
  SUBCASE("an expectation with a malformed attribute") { datagram.bytes = Message(0x200, 8); }
  SUBCASE("truncated") { datagram = {Message(NLMSG_NOOP, 4), true}; }
  SUBCASE("cut short") { datagram.bytes.resize(datagram.bytes.size() - 2); }
  const test::Script script(fd, {datagram});
  stopped.strand.CallAll();
  auto batch = Next<EventBatch>(*opened.value());
  REQUIRE(batch.has_value());
  REQUIRE(batch->ok());
  REQUIRE(batch->value().flows.flows.size() == 1);
  CHECK(batch->value().flows.flows[0].event == Event::kOverrun);
  CHECK(batch->value().flows.flows[0].counters[0].packets == 1);
}

TEST_CASE("an option of a socket that cannot be set fails what needs it") {
  const auto failing = [](std::set<int> options) {
    return [options](int, int, int option, const void*, socklen_t) -> std::optional<int> {
      if (!options.contains(option)) return std::nullopt;
      errno = ENOMEM;
      return -1;
    };
  };
  Stopped stopped;
  ReceiveBuffers buffers;
  SUBCASE("the receive buffer") {
    const OptionFault fault(calls().setsockopt, failing({SO_RCVBUF, SO_RCVBUFFORCE}));
    CHECK(Socket::Open(NETLINK_ROUTE).failure().code == ENOMEM);
  }
  SUBCASE("the send buffer") {
    netlink::Batch batch = test::Repeated("nlctrl", 20'000);
    const OptionFault fault(calls().setsockopt, failing({SO_SNDBUF, SO_SNDBUFFORCE}));
    CHECK(netlink::Transact(Opened(NETLINK_GENERIC), buffers, batch, 1).failure().code == ENOMEM);
  }
  SUBCASE("of events") {
    EventOptions options;
    options.reliable = true;
    options.receive_buffer = 1 << 16;
    auto events = Opened();
    for (const std::set<int>& option : {std::set{NETLINK_BROADCAST_ERROR}, {NETLINK_NO_ENOBUFS}}) {
      const OptionFault fault(calls().setsockopt, failing(option));
      const auto opened = EventStream::Open(stopped.strand, Opened(), Opened(), options);
      REQUIRE_FALSE(opened.ok());
      CHECK(opened.failure().code == ENOMEM);
    }
  }
}

TEST_CASE("a timer that cannot be set ends an event stream") {
  Stopped stopped;
  Socket events = Opened();
  Socket dump = Opened();
  const int fd = events.fd();
  const test::Script dumped(dump.fd(), {{Message(NLMSG_DONE, 4)}});
  EventOptions options;
  options.resynchronise = true;
  auto opened = EventStream::Open(stopped.strand, std::move(events), std::move(dump), options);
  REQUIRE(opened.ok());
  auto first = Next<EventBatch>(*opened.value());
  REQUIRE(first->ok());
  CHECK(first->value().flows.flows.back().event == Event::kResynchronised);
  // An overrun follows at once: the next comparison is due later.
  const decltype(calls().recvmmsg)::Fault overrun(
      calls().recvmmsg, [fd, seen = std::make_shared<int>(0)](int socket, mmsghdr*, unsigned) -> std::optional<int> {
        if (socket != fd) return std::nullopt;
        errno = (*seen)++ == 0 ? ENOBUFS : EAGAIN;
        return -1;
      });
  const decltype(calls().timerfd_settime)::Fault fault(calls().timerfd_settime, [](int) -> std::optional<int> {
    errno = EINVAL;
    return -1;
  });
  stopped.strand.CallAll();
  CHECK(Next<EventBatch>(*opened.value())->ok());
  CHECK(Next<EventBatch>(*opened.value())->failure().code == EINVAL);
}

TEST_CASE("a channel whose socket fails ends what is asked of it") {
  Stopped stopped;
  Socket socket = Opened(NETLINK_GENERIC);
  const int fd = socket.fd();
  const auto channel = netlink::Channel::Create(stopped.strand, std::move(socket));
  const decltype(calls().recvmmsg)::Fault fault(calls().recvmmsg,
                                                [fd](int receiver, mmsghdr*, unsigned) -> std::optional<int> {
                                                  if (receiver != fd) return std::nullopt;
                                                  errno = ENOTCONN;
                                                  return -1;
                                                });
  CHECK(Ended(*channel, 2)[1].code == ENOTCONN);
}

TEST_CASE("tasks and sockets are served when epoll_wait fails") {
  const decltype(calls().epoll_wait)::Fault fault(calls().epoll_wait, [](int) -> std::optional<int> {
    errno = EBADF;
    return -1;
  });
  const test::Io io;
  Strand& strand = *io.strand;
  const netlink::FileDescriptor event(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  std::promise<void> reported;
  strand.Post([&] {
    CHECK_FALSE(strand.Watch(event.get(), [&] {
      strand.Unwatch(event.get());
      reported.set_value();
      return netlink::Rest::kNone;
    }));
  });
  reported.get_future().wait();
}
