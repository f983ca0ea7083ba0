import { Errno } from '../common/errno.js';
import {
  type FileCommand,
  type Request as KernelRequest,
  type Meaning,
  type MeaningEntry,
  Meanings,
} from '../common/meanings.js';

/** The verbs of ctnetlink, and the other requests to a namespace. */
export type Command =
  | 'NEW'
  | 'UPDATE'
  | 'DELETE'
  | 'GET'
  | 'DUMP'
  | 'FLUSH'
  | 'STATISTICS'
  | 'EVENTS'
  | 'NEW_EXPECTATION'
  | 'DELETE_EXPECTATION'
  | 'DUMP_EXPECTATIONS'
  | FileCommand;

export type Request = KernelRequest<Command>;

// The errnos are those of net/netfilter/nf_conntrack_netlink.c, which sends hardly any extended ack.
const meanings = new Meanings<Command>();

const noSuchFlow: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_FLOW',
  says: 'the flow does not exist',
  cause: 'it ended or timed out; its zone differs; or, if an id was given, a newer flow has the same tuple',
};
const unknownHelper: Meaning = {
  code: 'ERR_IPVS_UNKNOWN_HELPER',
  says: 'the kernel does not support this change of a flow',
  cause:
    'the helper does not exist (its module is nf_conntrack_NAME) or does not match the flow; only a new flow can get a ' +
    'NAT translation, a master and, since Linux 7, a helper; or no rule of the namespace uses labels',
};

meanings.define(['UPDATE', 'DELETE', 'GET'], Errno.ENOENT, noSuchFlow);
meanings.define(['NEW'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_FLOW',
  says: 'the master flow does not exist',
  cause: 'the master ended or timed out',
});
meanings.define(['NEW'], Errno.EEXIST, {
  code: 'ERR_IPVS_FLOW_EXISTS',
  says: 'a flow with one of these tuples already exists',
  cause:
    'the reply tuple must be unique, too: after NAT, two flows from the same address and port to the same server collide',
});
meanings.define(['NEW'], Errno.ENOMEM, {
  code: 'ERR_IPVS_TABLE_FULL',
  says: 'the connection tracking table is full',
  cause: 'increase net.netfilter.nf_conntrack_max in the initial namespace, or delete flows',
});
meanings.define(['NEW', 'UPDATE'], Errno.EOPNOTSUPP, unknownHelper);
meanings.define(['NEW', 'UPDATE'], Errno.ENOSPC, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the flow has no storage for labels',
  cause: 'no rule of this namespace matches labels; only with such a rule does the kernel allocate storage for them',
});
meanings.define(['NEW', 'UPDATE'], Errno.EBUSY, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the status or the helper',
  cause:
    'only the status bits seen-reply, assured and fixed-timeout can be changed; or the flow already has another helper',
});
meanings.define(['NEW', 'UPDATE'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the flow',
  cause:
    'both tuples must have the same protocol and the fields that it requires (ports, ICMP type and code); or the protocol does not have the state',
});
meanings.define(['NEW', 'UPDATE'], Errno.ERANGE, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the state',
  cause: 'this kernel no longer has the state (SCTP HEARTBEAT_ACKED exists only in older kernels)',
});
meanings.define(['NEW'], Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'permission is denied',
  cause: 'the change requires CAP_NET_ADMIN over the network namespace',
});
meanings.define(['DELETE_EXPECTATION'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_EXPECTATION',
  says: 'the expectation does not exist',
  cause: 'the expected flow has arrived, the expectation timed out, or its zone differs',
});
meanings.define(['NEW_EXPECTATION'], Errno.ENOENT, { ...noSuchFlow, says: 'the master flow does not exist' });
meanings.define(['NEW_EXPECTATION'], Errno.EOPNOTSUPP, {
  ...unknownHelper,
  says: 'the master flow does not have this helper',
  cause: 'an expectation belongs to a helper: create the master with it, or assign it by a rule',
});
for (const errno of [Errno.EEXIST, Errno.EBUSY]) {
  meanings.define(['NEW_EXPECTATION'], errno, {
    code: 'ERR_IPVS_EXPECTATION_EXISTS',
    says: 'an expectation for these packets already exists',
  });
}
meanings.define(['NEW_EXPECTATION'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the expectation',
  cause: 'the helper does not have this class, or the mask has another address family than the tuple',
});
meanings.define(['DUMP'], Errno.EINTR, {
  code: 'ERR_IPVS_UNSTABLE',
  says: 'the number of hash buckets changed during the read',
  cause: 'a program wrote net.netfilter.nf_conntrack_buckets; flows may be missing or repeated: read the table again',
});
meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'permission is denied',
  cause:
    'conntrack requires CAP_NET_ADMIN over the network namespace; entering a network namespace requires CAP_SYS_ADMIN',
});
for (const errno of [Errno.EPROTONOSUPPORT, Errno.EINVAL]) {
  meanings.defineForAll(errno, {
    code: 'ERR_IPVS_NOT_AVAILABLE',
    says: 'the kernel does not have ctnetlink',
    cause: 'its module is not loaded (run `modprobe nf_conntrack_netlink` as root), or is not built',
  });
}

/** Every meaning of an errno for a verb of ctnetlink. */
export const allMeanings = (): Iterable<MeaningEntry> => meanings;
export const errorFor = meanings.errorFor.bind(meanings);
export const translate = meanings.translate.bind(meanings);
