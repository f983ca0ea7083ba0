// A filter that runs in the kernel, on the socket, before an event takes room in its buffer.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "conntrack/record.h"

namespace conntrack {

// Classic BPF that lets through at least what `filter` matches: the family, the protocol and the
// mark, if those are asked for. Empty if none is. The rest is left to Matches().
std::vector<sock_filter> EventFilter(const Filter& filter);

}  // namespace conntrack
