#pragma once

#include <sys/socket.h>

#include <array>
#include <vector>

#include "netlink/error.h"
#include "netlink/file_descriptor.h"
#include "netlink/message_reader.h"

namespace netlink {

// Receive buffers, one set per I/O thread. The kernel fills the datagrams of a dump up to 32 KiB, but
// remembers the largest read of a socket (netlink_recvmsg in net/netlink/af_netlink.c), so the buffer size never
// changes.
class ReceiveBuffers {
 public:
  static constexpr size_t kCount = 16;
  static constexpr size_t kSize = 64 * 1024;

  ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;  // the headers point into the object
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;
  std::array<mmsghdr, kCount>& headers() { return headers_; }
  View datagram(size_t index) const;
  // Returns true if the kernel sent the datagram: any process may send to a netlink address.
  bool FromKernel(size_t index) const;
  bool truncated(size_t index) const;
  void Reset();

 private:
  std::vector<std::byte> storage_;
  std::array<mmsghdr, kCount> headers_{};
  std::array<iovec, kCount> vectors_{};
  std::array<struct sockaddr_storage, kCount> senders_{};
};

struct Received {
  int error = 0;  // errno
  size_t size = 0;
  bool from_kernel = false;
  bool truncated = false;
};

// A non-blocking netlink socket with extended acks. It belongs to the network namespace of the thread that opened it.
class Socket {
 public:
  static Result<Socket> Open(int protocol);

  int fd() const { return fd_.get(); }
  // Sends all of `data`, or fails. EIO: the kernel took only a part of it.
  Failure Send(View data) const;
  // Returns the number of datagrams received, or a negative errno.
  int Receive(ReceiveBuffers& buffers) const;
  // Receives one datagram.
  Received ReceiveOne(std::span<std::byte> buffer) const;

 private:
  explicit Socket(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace netlink
