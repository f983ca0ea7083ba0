// A socket filter: the kernel runs it before an event takes space in the receive buffer.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "conntrack/record.h"

namespace conntrack {

// Returns a classic BPF program that accepts at least the events that `filter` matches. It checks the family, the
// protocol and the mark if the filter has them; it is empty if the filter has none. Matches() checks the rest.
std::vector<sock_filter> EventFilter(const Filter& filter);

}  // namespace conntrack
