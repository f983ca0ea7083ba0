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

const meanings = new Meanings<Command>();

export const noSuchAddress: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_ADDRESS',
  says: 'the interface has no such address',
  cause: 'it was deleted meanwhile, or its prefix length differs, or it has a peer',
};
export const noSuchRoute: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_ROUTE',
  says: 'there is no such route',
  cause: 'its table, metric, type or nexthop differs, or it went away with its interface or an address',
};
export const noSuchRule: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_RULE',
  says: 'there is no such rule',
  cause: 'its priority or one of its selectors differs: what is not named is taken for not there',
};
export const noSuchForwardingEntry: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_FORWARDING_ENTRY',
  says: 'there is no such forwarding entry',
  cause: 'its table (self or master), vlan or destination differs, or it has aged',
};
const rejected = (says: string, cause: string): Meaning => ({ code: 'ERR_IPVS_REJECTED', says, cause });

for (const errno of [Errno.EALREADY, Errno.EADDRINUSE]) {
  meanings.define(['add-udp-tunnel'], errno, {
    code: 'ERR_IPVS_UDP_TUNNEL_EXISTS',
    says: 'the port is used already',
    cause: 'by another tunnel, or by a program that listens on it (ss -ulnp)',
  });
}
meanings.define(['list', 'add-udp-tunnel', 'delete-udp-tunnel'], Errno.EPROTONOSUPPORT, {
  code: 'ERR_IPVS_NOT_AVAILABLE',
  says: 'this kernel has no fou, which unwraps UDP',
  cause: 'its module is not loaded, and the kernel does not load it by itself: as root, modprobe fou',
});
meanings.define(['delete-udp-tunnel'], Errno.EINVAL, {
  code: 'ERR_IPVS_NO_SUCH_UDP_TUNNEL',
  says: 'there is no such tunnel',
});
meanings.define(['add-link'], Errno.EEXIST, {
  code: 'ERR_IPVS_LINK_EXISTS',
  says: 'there is such an interface already',
  cause:
    'another with this name (or, of a veth, with that of its peer), or one that does the same: a tunnel between the ' +
    'same addresses (of none, that is tunl0 or gre0, which come with their modules), a vxlan of this number and port',
});
meanings.define(['update-link'], Errno.EEXIST, {
  code: 'ERR_IPVS_LINK_EXISTS',
  says: 'there is an interface of this name already',
});
meanings.define(
  ['add-link'],
  Errno.EOPNOTSUPP,
  rejected('the kernel refuses the interface', 'an option that this kernel was built without'),
);
meanings.define(
  ['add-link'],
  Errno.EINVAL,
  rejected(
    'the kernel refuses the interface',
    'an MTU, a link-layer address or an option that its kind does not take, or one that cannot be a port of its master',
  ),
);
meanings.define(
  ['add-link'],
  Errno.EBUSY,
  rejected('an interface that it is made on is in use', 'the parent of a macvlan is a port of a bridge'),
);
meanings.define(
  ['update-link'],
  Errno.EOPNOTSUPP,
  rejected('the kernel refuses the change', 'its driver cannot change the link-layer address or the MTU'),
);
meanings.define(
  ['update-link'],
  Errno.EINVAL,
  rejected('the kernel refuses the change', 'an MTU out of range, or one that cannot be a port or a master'),
);
meanings.define(
  ['update-link'],
  Errno.EBUSY,
  rejected(
    'the interface is in use',
    'before Linux 6.2 it has to be down to be renamed; a port has to leave its master before it gets another',
  ),
);
for (const command of ['add-link', 'update-link'] as const) {
  meanings.define(
    [command],
    Errno.EADDRNOTAVAIL,
    rejected('the kernel refuses the address', 'a multicast link-layer address, or none at all'),
  );
  meanings.define(
    [command],
    Errno.EADDRINUSE,
    rejected('its UDP port is used already', 'by another tunnel, or by a program that listens on it (ss -ulnp)'),
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
  rejected('the interface cannot be deleted', 'it belongs to a driver: lo, a network card, tunl0'),
);
meanings.define(['add-address'], Errno.EEXIST, {
  code: 'ERR_IPVS_ADDRESS_EXISTS',
  says: 'the interface has this address already',
});
meanings.define(
  ['add-address'],
  Errno.EINVAL,
  rejected('the kernel refuses the address', 'IPv6 on an interface whose MTU is below 1280'),
);
meanings.define(
  ['add-address'],
  Errno.EADDRNOTAVAIL,
  rejected('the kernel refuses the address', 'a multicast address, ::, or ::1 on another interface than lo'),
);
meanings.define(['delete-address'], Errno.EADDRNOTAVAIL, noSuchAddress);
meanings.define(['add-route'], Errno.EEXIST, {
  code: 'ERR_IPVS_ROUTE_EXISTS',
  says: 'there is a route to this destination with this metric already',
  cause: 'another program made it, or an earlier run did; setRoute replaces it, another metric stands beside it',
});
meanings.define(['delete-route'], Errno.ESRCH, noSuchRoute);
for (const errno of [Errno.ENETUNREACH, Errno.EHOSTUNREACH])
  meanings.define(
    ['add-route', 'set-route'],
    errno,
    rejected(
      'the kernel cannot reach the nexthop',
      'no route to it that is of this link: add the address first, bring the interface up, or say onlink',
    ),
  );
meanings.define(
  ['add-route', 'set-route'],
  Errno.ENETDOWN,
  rejected('the interface of the nexthop is down', 'updateLink(name, { up: true }) comes first'),
);
meanings.define(
  ['add-route', 'set-route'],
  Errno.EINVAL,
  rejected(
    'the kernel refuses the route',
    'a source that is no address of this host, a nexthop that is one, a wrong scope',
  ),
);
meanings.define(['route-to'], Errno.ENETUNREACH, { ...noSuchRoute, cause: 'no table that the rules lead to has one' });
meanings.define(['route-to'], Errno.EHOSTUNREACH, {
  ...noSuchRoute,
  says: 'the address is unreachable',
  cause: 'a route or a rule says so',
});
meanings.define(['route-to'], Errno.EACCES, {
  ...noSuchRoute,
  says: 'the kernel prohibits it',
  cause: 'a route or a rule says so',
});
meanings.define(['route-to'], Errno.EINVAL, {
  ...noSuchRoute,
  says: 'the kernel drops it',
  cause: 'a blackhole route, or a source that is no address of this host',
});
meanings.define(['add-rule'], Errno.EEXIST, { code: 'ERR_IPVS_RULE_EXISTS', says: 'there is such a rule already' });
meanings.define(['delete-rule'], Errno.ENOENT, noSuchRule);
meanings.define(
  ['add-rule'],
  Errno.EINVAL,
  rejected('the kernel refuses the rule', 'a value that its family does not take'),
);
meanings.define(['delete-neighbour'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_NEIGHBOUR',
  says: 'there is no such neighbour',
  cause: 'it was deleted or forgotten meanwhile, or is on another interface',
});
meanings.define(
  ['set-neighbour'],
  Errno.EINVAL,
  rejected('the kernel refuses the neighbour', 'an interface without link-layer addresses, or a multicast address'),
);
meanings.define(['add-forwarding-entry'], Errno.EEXIST, {
  code: 'ERR_IPVS_FORWARDING_ENTRY_EXISTS',
  says: 'there is an entry for this link-layer address already',
  cause: 'it was learned, or another program made it; delete it first, or, of all zeros or multicast, say append',
});
meanings.define(['delete-forwarding-entry'], Errno.ENOENT, noSuchForwardingEntry);
for (const errno of [Errno.EOPNOTSUPP, Errno.EINVAL])
  meanings.define(
    ['add-forwarding-entry', 'delete-forwarding-entry'],
    errno,
    rejected(
      'the interface has no such table, or refuses the entry',
      'a port of a bridge takes master; a vxlan takes self and a destination; a vlan only where it is allowed',
    ),
  );
meanings.define(
  ['announce'],
  Errno.ENETDOWN,
  rejected('the interface is down', 'updateLink(name, { up: true }) comes first'),
);
meanings.define(['announce'], Errno.ENXIO, {
  code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  says: 'there is no such interface here',
});
meanings.define(['add-namespace'], Errno.EEXIST, {
  code: 'ERR_IPVS_NAMESPACE_EXISTS',
  says: 'there is a namespace, or a file, of this name already',
});
meanings.define(['add-namespace'], Errno.ETIMEDOUT, {
  code: 'ERR_IPVS_TIMEOUT',
  says: 'another process holds the lock of /run/netns',
  cause:
    'a program that hangs, or a user who took the lock (flock) on purpose: find it with `lsof /run/netns` or in /proc/locks',
});
meanings.define(['delete-namespace'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
  says: 'there is no such network namespace',
});
meanings.define(['delete-namespace'], Errno.EINVAL, {
  code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
  says: 'what has this name is no network namespace',
});
for (const command of ['add-namespace', 'delete-namespace'] as const)
  meanings.define([command], Errno.EPERM, {
    code: 'ERR_IPVS_PERMISSION',
    says: 'not permitted',
    cause: 'it takes root, and CAP_SYS_ADMIN to mount in /run/netns',
  });
meanings.define(['READ_FILE', 'WRITE_FILE'], Errno.EISDIR, {
  code: 'ERR_IPVS_NO_SUCH_SYSCTL',
  says: 'it is a directory of settings',
});
meanings.define(['READ_FILE', 'WRITE_FILE'], Errno.ENOTDIR, {
  code: 'ERR_IPVS_NO_SUCH_SYSCTL',
  says: 'there is no such file',
});

meanings.defineForAll(Errno.EOPNOTSUPP, rejected('the kernel cannot do this', 'this kernel was built without it'));
meanings.defineForAll(Errno.ENODEV, {
  code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  says: 'there is no such interface here',
  cause: 'its name is misspelt, or it is in another namespace, or gone',
});
meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'not permitted',
  cause:
    'changes take CAP_NET_ADMIN over the network namespace, announcements CAP_NET_RAW, and entering a namespace CAP_SYS_ADMIN',
});
meanings.defineForAll(Errno.EAFNOSUPPORT, {
  code: 'ERR_IPVS_FAMILY_NOT_SUPPORTED',
  says: 'the address family is not supported',
  cause: 'this kernel has no IPv6 (ipv6.disable=1)',
});
meanings.defineForAll(Errno.EINTR, {
  code: 'ERR_IPVS_UNSTABLE',
  says: 'it changed during each of several readings',
});

export const errorFor = meanings.errorFor.bind(meanings);
export const translate = meanings.translate.bind(meanings);

/** Returns the error for a request that was not sent, because what was read shows that it would fail. */
export function refusal(request: Request, meaning: Meaning): ReturnType<typeof errorOf> {
  return errorOf(request, undefined, meaning);
}
