// The table as a stream: a socket of its own, and as much at a time as is asked for. What is not
// asked for stays in the kernel, so a table of millions is never held whole.
#pragma once

#include "conntrack/filter.h"
#include "conntrack/messages.h"
#include "netlink/socket.h"

namespace conntrack {

class FlowDump {
 public:
  // `brief`: see DecodeFlowBriefly().
  FlowDump(netlink::Socket socket, Command command, const Filter& filter, bool brief = false)
      : socket_(std::move(socket)), command_(command), filter_(filter), brief_(brief) {}

  // Puts some more flows in the place of what `batch` holds, perhaps none though it has not ended.
  // In the I/O thread; takes milliseconds.
  netlink::Failure Next(netlink::ReceiveBuffers& buffers, FlowBatch& batch);
  bool ended() const { return ended_; }
  // After the end: the same once more.
  void Restart() { started_ = ended_ = false; }

 private:
  netlink::Failure Start();
  netlink::Failure Receive(netlink::ReceiveBuffers& buffers, FlowBatch& batch);
  netlink::Failure Read(netlink::View datagram, FlowBatch& batch);

  netlink::Socket socket_;
  Command command_;
  Filter filter_;
  bool brief_ = false;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace conntrack
