// Resolves generic netlink families. They have no fixed number: the kernel assigns one when the module of the family
// is loaded, and another one when it is loaded again.
#pragma once

#include <functional>
#include <string_view>

#include "netlink/channel.h"

namespace netlink {

// Asks for the number of a family. The kernel loads its module if it can.
// ENOENT: the kernel has no such family at the moment.
void ResolveFamily(Channel& channel, std::string_view name, uint32_t tag, std::function<void(Result<uint16_t>)> done);

Batch EncodeResolveFamily(std::string_view name);
Result<uint16_t> DecodeFamily(View payload);

}  // namespace netlink
