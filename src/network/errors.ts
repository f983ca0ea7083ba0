import { Errno } from '../common/errno.js';
import {
  errorOf,
  type FileCommand,
  type Request as KernelRequest,
  type Meaning,
  Meanings,
} from '../common/meanings.js';
import type { NetworkOperation } from '../kernel/network/types.js';

/** Requests to the network of a namespace. */
export type Command =
  | NetworkOperation['operation']
  | 'get-link'
  | 'list'
  | 'route-to'
  | 'announce'
  | 'watch'
  | 'add-udp-tunnel'
  | 'delete-udp-tunnel'
  | 'add-namespace'
  | 'delete-namespace'
  | FileCommand;

export type Request = KernelRequest<Command>;

/** Meanings of errnos. `refusals.ts` has those that depend on the operation. */
export const meanings = new Meanings<Command>();

export const noSuchAddress: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_ADDRESS',
  says: 'the interface does not have this address',
  cause: 'it was deleted by another program, its prefix length differs, or it has a peer address',
};
export const noSuchRoute: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_ROUTE',
  says: 'the route does not exist',
  cause:
    'its table, metric, type or nexthop differs, or the kernel deleted it together with its interface or an address',
};
export const noSuchRule: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_RULE',
  says: 'the routing rule does not exist',
  cause: 'its priority or a selector differs: a selector that is not given matches only rules without it',
};
export const noSuchForwardingEntry: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_FORWARDING_ENTRY',
  says: 'the forwarding entry does not exist',
  cause: 'its table (self or master), VLAN or destination differs, or it expired',
};
const rejected = (says: string, cause: string): Meaning => ({ code: 'ERR_IPVS_REJECTED', says, cause });

for (const errno of [Errno.EALREADY, Errno.EADDRINUSE]) {
  meanings.define(['add-udp-tunnel'], errno, {
    code: 'ERR_IPVS_UDP_TUNNEL_EXISTS',
    says: 'the UDP port is already in use',
    cause: 'another tunnel, or a program that listens on it, uses the port (see `ss -ulnp`)',
  });
}
meanings.define(['list', 'add-udp-tunnel', 'delete-udp-tunnel'], Errno.EPROTONOSUPPORT, {
  code: 'ERR_IPVS_NOT_AVAILABLE',
  says: 'the kernel does not have fou, which decapsulates UDP tunnels',
  cause: 'its module is not loaded, and the kernel does not load it automatically: run `modprobe fou` as root',
});
meanings.define(['delete-udp-tunnel'], Errno.EINVAL, {
  code: 'ERR_IPVS_NO_SUCH_UDP_TUNNEL',
  says: 'no UDP tunnel receives on this port',
});
meanings.define(['add-link'], Errno.EEXIST, {
  code: 'ERR_IPVS_LINK_EXISTS',
  says: 'the interface already exists',
  cause:
    'another interface has its name, or the name of its veth peer; or an interface with the same function exists: a ' +
    'tunnel between the same addresses (tunl0 and gre0, which their modules create, are tunnels without addresses), or ' +
    'a vxlan with the same VNI and port',
});
meanings.define(['update-link'], Errno.EEXIST, {
  code: 'ERR_IPVS_LINK_EXISTS',
  says: 'an interface with this name already exists',
});
meanings.define(
  ['add-link'],
  Errno.EOPNOTSUPP,
  rejected('the kernel rejects the interface', 'the kernel was built without one of the options'),
);
meanings.define(
  ['add-link'],
  Errno.EINVAL,
  rejected(
    'the kernel rejects the interface',
    'the kind of interface does not support the MTU, the link-layer address or an option, or the interface cannot be a port of its master',
  ),
);
meanings.define(
  ['add-link'],
  Errno.EBUSY,
  rejected('the parent interface is in use', 'the parent of a macvlan is a port of a bridge'),
);
meanings.define(
  ['update-link'],
  Errno.EOPNOTSUPP,
  rejected('the kernel rejects the change', 'the driver cannot change the link-layer address or the MTU'),
);
meanings.define(
  ['update-link'],
  Errno.EINVAL,
  rejected('the kernel rejects the change', 'the MTU is out of range, or the interface cannot be a port or a master'),
);
meanings.define(
  ['update-link'],
  Errno.EBUSY,
  rejected(
    'the interface is in use',
    'before Linux 6.2, only an interface that is down can be renamed; a port must leave its master before it joins another',
  ),
);
for (const command of ['add-link', 'update-link'] as const) {
  meanings.define(
    [command],
    Errno.EADDRNOTAVAIL,
    rejected('the kernel rejects the address', 'the link-layer address is multicast or all zeros'),
  );
  meanings.define(
    [command],
    Errno.EADDRINUSE,
    rejected(
      'the UDP port is already in use',
      'another tunnel, or a program that listens on it, uses the port (see `ss -ulnp`)',
    ),
  );
  meanings.define(
    [command],
    Errno.ELOOP,
    rejected('the interface would be its own master', 'a bridge cannot be a port of a bridge'),
  );
}
meanings.define(
  ['delete-link'],
  Errno.EOPNOTSUPP,
  rejected('the interface cannot be deleted', 'its driver does not support deletion: lo, a network card, tunl0'),
);
meanings.define(['add-address'], Errno.EEXIST, {
  code: 'ERR_IPVS_ADDRESS_EXISTS',
  says: 'the interface already has this address',
});
meanings.define(
  ['add-address'],
  Errno.EINVAL,
  rejected('the kernel rejects the address', 'the MTU of the interface is below 1280, which IPv6 requires'),
);
meanings.define(
  ['add-address'],
  Errno.EADDRNOTAVAIL,
  rejected('the kernel rejects the address', 'it is multicast, ::, or ::1 on another interface than lo'),
);
meanings.define(['delete-address'], Errno.EADDRNOTAVAIL, noSuchAddress);
meanings.define(['add-route'], Errno.EEXIST, {
  code: 'ERR_IPVS_ROUTE_EXISTS',
  says: 'a route to this destination with this metric already exists',
  cause: 'another program or an earlier run added it; replace it with setRoute(), or add the route with another metric',
});
meanings.define(['delete-route'], Errno.ESRCH, noSuchRoute);
for (const errno of [Errno.ENETUNREACH, Errno.EHOSTUNREACH])
  meanings.define(
    ['add-route', 'set-route'],
    errno,
    rejected(
      'the kernel cannot reach the nexthop',
      'no route of this interface leads to it: add the address of the interface first, set the interface up, or use onlink',
    ),
  );
meanings.define(
  ['add-route', 'set-route'],
  Errno.ENETDOWN,
  rejected('the interface of the nexthop is down', 'set it up first: updateLink(name, { up: true })'),
);
meanings.define(
  ['add-route', 'set-route'],
  Errno.EINVAL,
  rejected(
    'the kernel rejects the route',
    'the source is not an address of this host, the nexthop is one, or the scope is wrong',
  ),
);
meanings.define(['route-to'], Errno.ENETUNREACH, {
  ...noSuchRoute,
  says: 'no route leads to the address',
  cause: 'no table that the routing rules select has a route',
});
meanings.define(['route-to'], Errno.EHOSTUNREACH, {
  ...noSuchRoute,
  says: 'the address is unreachable',
  cause: 'a route or a routing rule has the type unreachable',
});
meanings.define(['route-to'], Errno.EACCES, {
  ...noSuchRoute,
  says: 'the kernel prohibits packets to the address',
  cause: 'a route or a routing rule has the type prohibit',
});
meanings.define(['route-to'], Errno.EINVAL, {
  ...noSuchRoute,
  says: 'the kernel drops packets to the address',
  cause: 'a route has the type blackhole, or the source is not an address of this host',
});
meanings.define(['add-rule'], Errno.EEXIST, {
  code: 'ERR_IPVS_RULE_EXISTS',
  says: 'an identical routing rule already exists',
});
meanings.define(['delete-rule'], Errno.ENOENT, noSuchRule);
meanings.define(
  ['add-rule'],
  Errno.EINVAL,
  rejected('the kernel rejects the routing rule', 'its address family does not support one of the values'),
);
meanings.define(['delete-neighbour'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_NEIGHBOUR',
  says: 'the neighbour does not exist',
  cause: 'it was deleted or expired, or belongs to another interface',
});
meanings.define(
  ['set-neighbour'],
  Errno.EINVAL,
  rejected(
    'the kernel rejects the neighbour',
    'the interface has no link-layer addresses, or the address is multicast',
  ),
);
meanings.define(['add-forwarding-entry'], Errno.EEXIST, {
  code: 'ERR_IPVS_FORWARDING_ENTRY_EXISTS',
  says: 'a forwarding entry for this link-layer address already exists',
  cause:
    'the interface learned it, or another program added it; delete it first, or, for an address of all zeros or a multicast address, use append',
});
meanings.define(['delete-forwarding-entry'], Errno.ENOENT, noSuchForwardingEntry);
for (const errno of [Errno.EOPNOTSUPP, Errno.EINVAL])
  meanings.define(
    ['add-forwarding-entry', 'delete-forwarding-entry'],
    errno,
    rejected(
      'the interface does not have this table, or rejects the entry',
      'a port of a bridge requires master, a vxlan requires self and a destination, and a VLAN must be allowed on the interface',
    ),
  );
meanings.define(
  ['announce'],
  Errno.ENETDOWN,
  rejected('the interface is down', 'set it up first: updateLink(name, { up: true })'),
);
meanings.define(['announce'], Errno.ENXIO, {
  code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  says: 'the interface does not exist in this namespace',
});
meanings.define(['add-namespace'], Errno.EEXIST, {
  code: 'ERR_IPVS_NAMESPACE_EXISTS',
  says: 'a namespace, or a file, with this name already exists',
});
meanings.define(['add-namespace'], Errno.ETIMEDOUT, {
  code: 'ERR_IPVS_TIMEOUT',
  says: 'another process holds the lock of /run/netns',
  cause: 'the process hangs, or holds the lock (flock) on purpose: find it with `lsof /run/netns` or in /proc/locks',
});
meanings.define(['delete-namespace'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
  says: 'the network namespace does not exist',
});
meanings.define(['delete-namespace'], Errno.EINVAL, {
  code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
  says: 'the file with this name is not a network namespace',
});
for (const command of ['add-namespace', 'delete-namespace'] as const)
  meanings.define([command], Errno.EPERM, {
    code: 'ERR_IPVS_PERMISSION',
    says: 'permission is denied',
    cause: 'the call requires root, and CAP_SYS_ADMIN to mount in /run/netns',
  });
meanings.define(['READ_FILE', 'WRITE_FILE'], Errno.EISDIR, {
  code: 'ERR_IPVS_NO_SUCH_SYSCTL',
  says: 'the name is that of a directory of sysctls',
});
meanings.define(['READ_FILE', 'WRITE_FILE'], Errno.ENOTDIR, {
  code: 'ERR_IPVS_NO_SUCH_SYSCTL',
  says: 'the sysctl does not exist',
});

meanings.defineForAll(
  Errno.EOPNOTSUPP,
  rejected('the kernel does not support the operation', 'the kernel was built without it'),
);
meanings.defineForAll(Errno.ENODEV, {
  code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  says: 'the interface does not exist in this namespace',
  cause: 'its name is misspelt, it was deleted, or it is in another namespace',
});
meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'permission is denied',
  cause:
    'changes require CAP_NET_ADMIN over the network namespace, announcements CAP_NET_RAW, and entering a namespace CAP_SYS_ADMIN',
});
meanings.defineForAll(Errno.EAFNOSUPPORT, {
  code: 'ERR_IPVS_FAMILY_NOT_SUPPORTED',
  says: 'the address family is not supported',
  cause: 'IPv6 is disabled (boot option ipv6.disable=1)',
});
meanings.defineForAll(Errno.EINTR, {
  code: 'ERR_IPVS_UNSTABLE',
  says: 'the state changed during each of several reads',
  cause: 'another program changes the network continuously; try again later',
});

export const errorFor = meanings.errorFor.bind(meanings);
export const translate = meanings.translate.bind(meanings);

/** Returns the error for a request that was not sent, because what was read shows that it would fail. */
export function refusal(request: Request, meaning: Meaning): ReturnType<typeof errorOf> {
  return errorOf(request, undefined, meaning);
}
