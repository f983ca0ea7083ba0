// Named network namespaces, like those of `ip netns`: files in a directory, on which the namespaces are mounted.
#pragma once

#include <string>

#include "netlink/error.h"
#include "netns/patience.h"

namespace netns {

// Creates a namespace, like `ip netns add` (netns_add in iproute2, ip/ipnetns.c). A failure leaves nothing behind,
// except possibly the directory as a shared mount. EEXIST: the name exists. Waits with `patience` while another process
// holds the lock of the directory (flock): ETIMEDOUT or ECANCELED when the wait ends.
netlink::Failure CreateNamed(const std::string& directory, const std::string& name, Patience& patience);

// Deletes a namespace, or the file left of one, like `ip netns delete`. EINVAL: another kind of file. ENOENT: no such
// file. Deletes a symbolic link without its target.
netlink::Failure DeleteNamed(const std::string& directory, const std::string& name);

}  // namespace netns
