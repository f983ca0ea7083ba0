#include "netlink/socket.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace netlink {

namespace {

bool SentByKernel(const msghdr& header) {
  sockaddr_nl sender{};
  if (header.msg_namelen < sizeof sender) return false;
  std::memcpy(&sender, header.msg_name, sizeof sender);
  return sender.nl_pid == 0;
}

}  // namespace

ReceiveBuffers::ReceiveBuffers() : storage_(kCount * kSize) {
  for (size_t i = 0; i < kCount; ++i) {
    vectors_[i] = {storage_.data() + i * kSize, kSize};
    headers_[i].msg_hdr.msg_name = &senders_[i];
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

// Restores the fields that a receive may have changed.
void ReceiveBuffers::Reset() {
  for (size_t i = 0; i < kCount; ++i) {
    headers_[i].msg_hdr.msg_namelen = sizeof senders_[i];
    headers_[i].msg_hdr.msg_flags = 0;
  }
}

View ReceiveBuffers::datagram(size_t index) const {
  return {storage_.data() + index * kSize, std::min<size_t>(headers_[index].msg_len, kSize)};
}

bool ReceiveBuffers::FromKernel(size_t index) const { return SentByKernel(headers_[index].msg_hdr); }

bool ReceiveBuffers::truncated(size_t index) const { return (headers_[index].msg_hdr.msg_flags & MSG_TRUNC) != 0; }

Result<Socket> Socket::Open(int protocol) {
  FileDescriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd.valid()) return Failure{errno, "socket(AF_NETLINK)"};
  const int on = 1;
  // Errors are ignored: a kernel without these options (before 4.12) still answers, without texts.
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // The buffer holds the replies of a full window (see channel.cc). A size above net.core.rmem_max requires
  // CAP_NET_ADMIN; without it the kernel caps the size.
  const int size = 1 << 20;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0 &&
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0) {
    return Failure{errno, "set the size of a receive buffer"};
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Failure{errno, "bind(AF_NETLINK)"};
  }
  return Socket(std::move(fd));
}

Failure Socket::Send(View data) const {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const auto sent =
        sendto(fd_.get(), data.data(), data.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0 && static_cast<size_t>(sent) == data.size()) return {};
    if (sent >= 0) return {EIO, PartlyTaken(sent, data.size())};
    if (errno != EINTR) return {errno, "send"};
  }
}

int Socket::Receive(ReceiveBuffers& buffers) const {
  buffers.Reset();
  for (;;) {
    const int count = recvmmsg(fd_.get(), buffers.headers().data(), ReceiveBuffers::kCount, MSG_DONTWAIT, nullptr);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

Received Socket::ReceiveOne(std::span<std::byte> buffer) const {
  sockaddr_nl sender{};
  iovec vector{buffer.data(), buffer.size()};
  mmsghdr header{};
  header.msg_hdr.msg_name = &sender;
  header.msg_hdr.msg_namelen = sizeof sender;
  header.msg_hdr.msg_iov = &vector;
  header.msg_hdr.msg_iovlen = 1;
  int count = 0;
  do {
    count = recvmmsg(fd_.get(), &header, 1, MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return {.error = errno};
  if (count == 0) return {.error = EAGAIN};
  return {.size = std::min<size_t>(header.msg_len, buffer.size()),
          .from_kernel = SentByKernel(header.msg_hdr),
          .truncated = (header.msg_hdr.msg_flags & MSG_TRUNC) != 0};
}

}  // namespace netlink
