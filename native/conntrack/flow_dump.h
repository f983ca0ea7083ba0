// The table as a stream, over a separate socket. Each call reads one piece; the rest stays in the kernel, so a table
// with millions of flows is never in memory as a whole.
#pragma once

#include <chrono>

#include "conntrack/bucket_count.h"
#include "conntrack/filter.h"
#include "conntrack/messages.h"
#include "netlink/socket.h"

namespace conntrack {

class FlowDump {
 public:
  // `brief`: see DecodeFlowBriefly().
  FlowDump(netlink::Socket socket, Command command, const Filter& filter, bool brief = false,
           BucketCount buckets = BucketCount())
      : socket_(std::move(socket)), command_(command), filter_(filter), brief_(brief), buckets_(std::move(buckets)) {}

  // Replaces the content of `batch` by further flows, possibly none before the end. Call it in an I/O thread. Takes a
  // few milliseconds; at most 1 ms if the kernel sends nothing. ETIMEDOUT: the kernel sent nothing for 1 s.
  //
  // If the number of buckets changes during a dump, the dump skips some flows and repeats others, and the kernel
  // sets no flag (nf_conntrack_hash_resize). Until the first flow is returned, the dump then restarts (20 attempts).
  // Afterwards it fails with EINTR.
  netlink::Failure Next(netlink::ReceiveBuffers& buffers, FlowBatch& batch);
  bool ended() const { return ended_; }
  // Starts again from the beginning, after the end or a failure.
  void Restart();

 private:
  using Clock = std::chrono::steady_clock;

  netlink::Failure Start();
  netlink::Failure Receive(netlink::ReceiveBuffers& buffers, FlowBatch& batch);
  netlink::Failure Wait();
  netlink::Failure Read(netlink::View datagram, FlowBatch& batch);

  netlink::Socket socket_;
  Command command_;
  Filter filter_;
  bool brief_ = false;
  BucketCount buckets_;
  uint32_t buckets_before_ = 0;
  int interruptions_ = 0;
  bool started_ = false;
  bool ended_ = false;
  bool handed_out_ = false;   // flows of this dump were returned
  bool under_way_ = false;    // the kernel has not finished the dump of this socket
  bool stale_ = false;        // the dump under way is invalid: it is read to its end and dropped
  bool idle_ = false;         // there was nothing to receive in this turn
  Clock::time_point last_{};  // time of the last receive
};

}  // namespace conntrack
