// Messages that the kernel carries out in one go, or not at all: a batch of nf_tables.
#pragma once

#include <vector>

#include "netlink/error.h"
#include "netlink/message_writer.h"
#include "netlink/socket.h"

namespace netlink {

// Sends all messages at once and gives what was said of each: code 0 for those of which nothing
// bad was said. The kernel has done its work, and answered, when the send returns. `lost`: answers
// did not fit, or were damaged: read again to find out if the batch was carried out.
struct Verdict {
  std::vector<Failure> outcomes;
  bool lost = false;
};

Result<Verdict> Transact(const Socket& socket, ReceiveBuffers& buffers, Batch& batch, uint32_t first_sequence);

}  // namespace netlink
