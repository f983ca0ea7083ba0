// Sends raw frames, for announcements of addresses: no other kernel interface sends them.
#pragma once

#include "netlink/error.h"
#include "netlink/message_reader.h"

namespace netlink {

// Sends an Ethernet frame on an interface of the calling thread's network namespace. Requires CAP_NET_RAW there.
// ENXIO: no such interface. ENETDOWN: the interface is down. EINVAL: the frame is too short.
Failure SendFrame(int interface_index, View frame);

}  // namespace netlink
