// Replaces the datagrams of the kernel by those of a test.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "netlink/message_reader.h"
#include "netlink/message_writer.h"
#include "test/faults.h"

namespace test {

struct Datagram {
  netlink::Bytes bytes;
  bool truncated = false;
  uint32_t sender = 0;  // port; 0 is the kernel
  int error = 0;        // errno with which the receive fails instead
};

// Fills in one message like recvmmsg().
inline void Fill(mmsghdr& header, const Datagram& datagram) {
  sockaddr_nl sender{};
  sender.nl_family = AF_NETLINK;
  sender.nl_pid = datagram.sender;
  std::memcpy(header.msg_hdr.msg_name, &sender, sizeof sender);
  header.msg_hdr.msg_namelen = sizeof sender;
  const size_t size = std::min(datagram.bytes.size(), header.msg_hdr.msg_iov->iov_len);
  if (size > 0) std::memcpy(header.msg_hdr.msg_iov->iov_base, datagram.bytes.data(), size);
  header.msg_len = static_cast<unsigned>(size);
  header.msg_hdr.msg_flags = datagram.truncated || size < datagram.bytes.size() ? MSG_TRUNC : 0;
}

// Answers receives on the sockets with these datagrams, then with EAGAIN. Discards what is sent to the sockets.
class Script {
 public:
  explicit Script(std::map<int, std::deque<Datagram>> datagrams)
      : datagrams_(std::move(datagrams)),
        received_(calls().recvmmsg,
                  [this](int socket, mmsghdr* headers, unsigned count) { return Receive(socket, headers, count); }),
        sent_(calls().sendto, [this](int socket, const void* /*data*/, size_t size) -> std::optional<ssize_t> {
          if (!datagrams_.contains(socket)) return std::nullopt;
          return static_cast<ssize_t>(size);
        }) {}
  Script(int fd, std::deque<Datagram> datagrams) : Script({{fd, std::move(datagrams)}}) {}

  // Returns true if all datagrams have been received.
  bool empty() const {
    return std::all_of(datagrams_.begin(), datagrams_.end(), [](const auto& each) { return each.second.empty(); });
  }

 private:
  std::optional<int> Receive(int socket, mmsghdr* headers, unsigned count) {
    const auto found = datagrams_.find(socket);
    if (found == datagrams_.end()) return std::nullopt;
    std::deque<Datagram>& left = found->second;
    unsigned filled = 0;
    for (; filled < count && !left.empty() && left.front().error == 0; ++filled) {
      Fill(headers[filled], left.front());
      left.pop_front();
    }
    if (filled > 0) return static_cast<int>(filled);
    errno = EAGAIN;
    if (!left.empty()) {
      errno = left.front().error;
      left.pop_front();
    }
    return -1;
  }

  std::map<int, std::deque<Datagram>> datagrams_;
  Call<int(int, mmsghdr*, unsigned)>::Fault received_;
  Call<ssize_t(int, const void*, size_t)>::Fault sent_;
};

}  // namespace test
