// Generic netlink families have no fixed number: the kernel gives one when the family's module
// is loaded, and another one when it is loaded again.
#pragma once

#include <functional>
#include <string_view>

#include "netlink/channel.h"

namespace netlink {

// Asks for the number of a family, which loads its module where modules can be loaded.
// ENOENT: this kernel has no such family (now).
void ResolveFamily(Channel& channel, std::string_view name, uint32_t tag, std::function<void(Result<uint16_t>)> done);

Batch EncodeResolveFamily(std::string_view name);
Result<uint16_t> DecodeFamily(View payload);

}  // namespace netlink
