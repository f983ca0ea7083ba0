// Reads the bytes of the fuzzer as numbers, records, and datagrams of a kernel.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <type_traits>

#include "netlink/message_reader.h"
#include "test/scripted.h"

namespace fuzz {

class Input {
 public:
  explicit Input(netlink::View bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }

  // Takes a value from the input; bytes beyond its end are zero.
  template <typename T>
  T Take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const netlink::View bytes = TakeBytes(sizeof value);
    if (!bytes.empty()) std::memcpy(static_cast<void*>(&value), bytes.data(), bytes.size());
    return value;
  }

  netlink::View TakeBytes(size_t size) {
    const netlink::View taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

  // The rest of the input holds datagrams, each after a head of four bytes.
  enum Flag : uint8_t { kTruncated = 1, kForeign = 2, kOverrun = 4, kError = 8, kSecond = 16 };
  struct Head {
    uint8_t flags;
    uint8_t sequence;  // 0: unchanged; otherwise the sequence number of the messages
    uint16_t size;
  };

  // Returns the datagrams for the first socket, or for the second.
  std::deque<test::Datagram> Datagrams(bool second = false) const {
    std::deque<test::Datagram> datagrams;
    Input input(rest_);
    while (!input.empty()) {
      const Head head = input.Take<Head>();
      const netlink::View bytes = input.TakeBytes(head.size);
      if (((head.flags & kSecond) != 0) != second) continue;
      test::Datagram datagram{{bytes.begin(), bytes.end()}};
      datagram.truncated = (head.flags & kTruncated) != 0;
      datagram.sender = (head.flags & kForeign) != 0 ? 4711 : 0;
      if ((head.flags & kOverrun) != 0) datagram.error = ENOBUFS;
      if ((head.flags & kError) != 0) datagram.error = ENOTCONN;
      if (head.sequence != 0) Answer(datagram.bytes, head.sequence);
      datagrams.push_back(std::move(datagram));
    }
    return datagrams;
  }

 private:
  static void Answer(netlink::Bytes& datagram, uint32_t sequence) {
    for (size_t at = 0; datagram.size() - at >= sizeof(nlmsghdr);) {
      nlmsghdr header{};
      std::memcpy(&header, &datagram[at], sizeof header);
      header.nlmsg_seq = sequence;
      std::memcpy(&datagram[at], &header, sizeof header);
      const size_t size = NLMSG_ALIGN(static_cast<size_t>(header.nlmsg_len));
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size() - at) return;
      if (size >= datagram.size() - at) return;
      at += size;
    }
  }

  netlink::View rest_;
};

}  // namespace fuzz
