// Sends messages that the kernel commits together or not at all: an nf_tables batch.
#pragma once

#include <vector>

#include "netlink/error.h"
#include "netlink/message_writer.h"
#include "netlink/socket.h"

namespace netlink {

// The result of Transact(): one outcome per message; code 0 means that the kernel reported no error. `attributes` has
// the offset of the rejected attribute in each message (0: not reported). `lost` is true if
// replies did not fit or were malformed: read the tables again to find out whether the batch was committed.
struct Verdict {
  std::vector<Failure> outcomes;
  std::vector<uint32_t> attributes;
  bool lost = false;
};

// Sends all messages with one call. The kernel has processed and answered them when that call returns.
Result<Verdict> Transact(const Socket& socket, ReceiveBuffers& buffers, Batch& batch, uint32_t first_sequence);

}  // namespace netlink
