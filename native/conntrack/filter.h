// The kernel's filter in user space, for the conditions that the kernel ignores or gets wrong.
#pragma once

#include "conntrack/record.h"

namespace conntrack {

bool Matches(const Filter& filter, const Flow& flow);

}  // namespace conntrack
