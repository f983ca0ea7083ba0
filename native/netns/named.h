// Network namespaces with names, as `ip netns` has them: files in a directory, on which the
// namespaces are mounted.
#pragma once

#include <string>

#include "netlink/error.h"
#include "netns/patience.h"

namespace netns {

// As `ip netns add` (netns_add in iproute2, ip/ipnetns.c); on a failure nothing is left behind, but
// for the directory, which is shared with other mount namespaces then. EEXIST: there is one. Waits, by its
// patience, for another process that holds the lock of the directory (flock): ETIMEDOUT, ECANCELED.
netlink::Failure CreateNamed(const std::string& directory, const std::string& name, Patience& patience);

// As `ip netns delete`, of what is a namespace, or was one: EINVAL for another file. A symbolic
// link is deleted, and what it points to stays. ENOENT: there is none.
netlink::Failure DeleteNamed(const std::string& directory, const std::string& name);

}  // namespace netns
