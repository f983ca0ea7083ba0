// Frames as they are, for what no other interface of the kernel sends: announcements of addresses.
#pragma once

#include "netlink/error.h"
#include "netlink/message_reader.h"

namespace netlink {

// Sends an Ethernet frame out of an interface of the calling thread's network namespace; it takes
// CAP_NET_RAW there. ENXIO: no such interface, ENETDOWN: it is down, EINVAL: no frame.
Failure SendFrame(int interface_index, View frame);

}  // namespace netlink
