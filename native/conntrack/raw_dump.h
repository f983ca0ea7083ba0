// Receives a dump of the table over a socket of its own, without decoding it. Each call receives one piece; the rest
// stays in the kernel, so a table with millions of flows is never in memory as a whole.
#pragma once

#include <chrono>

#include "conntrack/bucket_count.h"
#include "conntrack/messages.h"
#include "netlink/message_writer.h"
#include "netlink/socket.h"

namespace conntrack {

// Messages of the kernel, back to back.
class RawPiece {
 public:
  netlink::View messages() const { return netlink::View(storage_).first(used_); }

 private:
  friend class RawDump;
  // Large enough that handing it to another thread and to JavaScript is cheap, small enough that the caches keep a few.
  static constexpr size_t kSize = 192 * 1024;

  void Clear() {
    storage_.resize(kSize);
    used_ = 0;
  }

  netlink::Bytes storage_;
  size_t used_ = 0;
};

class RawDump {
 public:
  // Only the kernel's part of `filter` is applied (EncodeDump).
  RawDump(netlink::Socket socket, Command command, const Filter& filter, BucketCount buckets = BucketCount())
      : socket_(std::move(socket)), command_(command), filter_(filter), buckets_(std::move(buckets)) {}

  // Replaces the content of `piece` by further messages, possibly none before the end. Call it in an I/O thread. Takes
  // a few milliseconds; at most 1 ms if the kernel sends nothing. ETIMEDOUT: the kernel sent nothing for 1 s.
  //
  // If the number of buckets changes during a dump, the dump skips some flows and repeats others, and the kernel
  // sets no flag (nf_conntrack_hash_resize). It then fails with EINTR, and stale() is true.
  netlink::Failure Fill(RawPiece& piece);
  // True after the last piece and after a failure.
  bool ended() const { return ended_; }
  bool stale() const { return stale_; }
  // Starts again from the beginning, after the end or a failure.
  void Restart();

 private:
  using Clock = std::chrono::steady_clock;

  netlink::Failure Start();
  netlink::Failure Receive(RawPiece& piece);
  netlink::Failure Wait();
  netlink::Failure Check(netlink::View datagram);

  netlink::Socket socket_;
  Command command_;
  Filter filter_;
  BucketCount buckets_;
  uint32_t buckets_before_ = 0;
  bool started_ = false;
  bool ended_ = false;
  bool under_way_ = false;    // the kernel has not finished the dump of this socket
  bool stale_ = false;        // the dump under way is invalid: it is read to its end and dropped
  bool idle_ = false;         // there was nothing to receive in this turn
  Clock::time_point last_{};  // time of the last receive
};

}  // namespace conntrack
