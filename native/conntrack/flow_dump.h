// The table as a stream: a socket of its own, and as much at a time as is asked for. What is not
// asked for stays in the kernel, so a table of millions is never held whole.
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

  // Puts some more flows in the place of what `batch` holds, perhaps none though it has not ended.
  // In the I/O thread; takes some milliseconds, and a millisecond where the kernel sends nothing. ETIMEDOUT:
  // it has sent nothing for a second.
  //
  // A dump during which the number of buckets changes skips flows and repeats others, and the kernel
  // sets no flag (nf_conntrack_hash_resize). Before the first flow has been handed out the dump
  // starts again, up to 20 times. Afterwards it fails with EINTR.
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
  bool handed_out_ = false;   // flows of this dump
  bool under_way_ = false;    // the kernel has not ended the dump of this socket
  bool stale_ = false;        // the dump under way is of no use: it is read to its end and dropped
  bool idle_ = false;         // there was nothing to receive in this turn
  Clock::time_point last_{};  // when there was something
};

}  // namespace conntrack
