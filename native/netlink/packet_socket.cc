#include "netlink/packet_socket.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "netlink/file_descriptor.h"

namespace netlink {

Failure SendFrame(int interface_index, View frame) {
  if (interface_index <= 0) return {ENXIO, "no interface"};
  if (frame.size() < ETH_HLEN) return {EINVAL, "shorter than the header of a frame"};
  // Protocol 0: the socket receives nothing.
  const FileDescriptor fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return {errno, "socket(AF_PACKET)"};
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = interface_index;
  address.sll_halen = ETH_ALEN;
  std::memcpy(address.sll_addr, frame.data(), ETH_ALEN);
  std::memcpy(&address.sll_protocol, frame.data() + offsetof(ethhdr, h_proto), sizeof address.sll_protocol);
  for (;;) {
    const auto sent =
        sendto(fd.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (sent >= 0 && static_cast<size_t>(sent) == frame.size()) return {};
    if (sent >= 0) return {EIO, PartlyTaken(sent, frame.size())};
    if (errno != EINTR) return {errno, "send a frame"};
  }
}

}  // namespace netlink
