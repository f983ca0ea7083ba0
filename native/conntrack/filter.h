// The same filter as the kernel's, for what it ignores or gets wrong.
#pragma once

#include "conntrack/record.h"

namespace conntrack {

bool Matches(const Filter& filter, const Flow& flow);

}  // namespace conntrack
