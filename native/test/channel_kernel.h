// A channel to the real kernel: every kernel has the generic netlink controller, and it answers any user.
#pragma once

#include <doctest/doctest.h>
#include <linux/genetlink.h>

#include <array>
#include <cerrno>
#include <future>
#include <memory>
#include <string>

#include "netlink/channel.h"
#include "test/bytes.h"
#include "test/run_in_thread.h"

namespace test {

struct Reply {
  uint32_t sequence;
  netlink::Bytes payload;
};

struct Answer {
  std::vector<netlink::Failure> outcomes;
  std::vector<Reply> replies;
};

// Writes a request for a family by name. The kernel rejects a name that is too long, with a text.
inline void GetFamily(netlink::MessageWriter& writer, std::string_view name) {
  writer.Begin(GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK);
  writer.Fixed(genlmsghdr{CTRL_CMD_GETFAMILY, 1, 0});
  writer.PutString(CTRL_ATTR_FAMILY_NAME, name);
  writer.End();
}

inline netlink::Batch Repeated(std::string_view name, int count) {
  netlink::MessageWriter writer;
  for (int i = 0; i < count; ++i) GetFamily(writer, name);
  return writer.Take();
}

inline netlink::Batch Dump(uint8_t command) {
  netlink::MessageWriter writer;
  writer.Begin(GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_DUMP);
  writer.Fixed(genlmsghdr{command, 1, 0});
  writer.End();
  return writer.Take();
}

class Kernel {
 public:
  // `receive_buffer`: size of the receive buffer in bytes; 0: the default of Socket.
  explicit Kernel(int receive_buffer = 0) {
    auto socket = netlink::Socket::Open(NETLINK_GENERIC);
    REQUIRE(socket.ok());
    if (receive_buffer != 0) {
      REQUIRE(setsockopt(socket.value().fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) == 0);
    }
    sockaddr_nl address{};
    socklen_t length = sizeof address;
    REQUIRE(getsockname(socket.value().fd(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = address.nl_pid;
    InThread([&] { channel = netlink::Channel::Create(*io.strand, std::move(socket.value())); });
  }
  ~Kernel() { io.pool.Stop(); }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  template <typename Work>
  void InThread(Work work) {
    RunInThread(*io.strand, std::move(work));
  }

  // Returns an exchange that stores its answer and fulfils `done` with it.
  static netlink::Exchange Keep(netlink::Batch batch, std::shared_ptr<std::promise<Answer>> done) {
    auto answer = std::make_shared<Answer>();
    netlink::Exchange exchange;
    exchange.batch = std::move(batch);
    exchange.on_reply = [answer](const netlink::Message& message) {
      answer->replies.push_back({message.header.nlmsg_seq, Copy(message.payload)});
    };
    exchange.on_done = [answer, done = std::move(done)](std::vector<netlink::Failure> outcomes) {
      answer->outcomes = std::move(outcomes);
      done->set_value(std::move(*answer));
    };
    return exchange;
  }

  Answer Ask(netlink::Batch batch, bool terse = false) {
    auto done = std::make_shared<std::promise<Answer>>();
    auto answer = done->get_future();
    InThread([&] {
      netlink::Exchange exchange = Keep(std::move(batch), std::move(done));
      exchange.terse = terse;
      channel->Submit(std::move(exchange));
    });
    return answer.get();
  }

  uint32_t port() const { return port_; }

  Io io;
  std::shared_ptr<netlink::Channel> channel;

 private:
  uint32_t port_ = 0;
};

inline std::array<int, 3> CountCodes(const std::vector<netlink::Failure>& outcomes) {  // success, ECANCELED, other
  std::array<int, 3> counts{};
  for (const auto& outcome : outcomes) ++counts.at(outcome.code == 0 ? 0 : outcome.code == ECANCELED ? 1 : 2);
  return counts;
}

}  // namespace test
