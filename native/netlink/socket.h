#pragma once

#include <sys/socket.h>

#include <array>
#include <vector>

#include "netlink/error.h"
#include "netlink/file_descriptor.h"
#include "netlink/message_reader.h"

namespace netlink {

// Where datagrams are received. The kernel fills a dump's datagrams up to 32 KiB, but remembers
// the largest read of a socket (netlink_recvmsg in net/netlink/af_netlink.c), so this size never
// changes. One per I/O thread, shared by its sockets.
class ReceiveBuffers {
 public:
  static constexpr size_t kCount = 16;
  static constexpr size_t kSize = 64 * 1024;

  ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;  // the headers point into it
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;
  std::array<mmsghdr, kCount>& headers() { return headers_; }
  View datagram(size_t index) const;
  // Whether the kernel sent it: any process may send to our address.
  bool FromKernel(size_t index) const;
  bool truncated(size_t index) const;
  void Reset(size_t count);

 private:
  std::vector<std::byte> storage_;
  std::array<mmsghdr, kCount> headers_{};
  std::array<iovec, kCount> vectors_{};
  std::array<struct sockaddr_storage, kCount> senders_{};
};

// A non-blocking netlink socket with extended acks. It stays in the network namespace of the
// thread that opened it.
class Socket {
 public:
  static Result<Socket> Open(int protocol);

  int fd() const { return fd_.get(); }
  // Hands the kernel all of `data`, or fails. EIO: it took a part only.
  Failure Send(View data) const;
  // How many datagrams came, or a negative errno. Of large ones one at a time is faster: its
  // buffer stays in the processor's cache.
  int Receive(ReceiveBuffers& buffers, size_t most = ReceiveBuffers::kCount) const;

 private:
  explicit Socket(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace netlink
