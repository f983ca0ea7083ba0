import { Errno } from '../common/errno.js';
import { type FileCommand, type Request as KernelRequest, type Meaning, Meanings } from '../common/meanings.js';

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
  says: 'there is no such flow',
  cause: 'it has ended or timed out; or its zone differs, or, with an id, a later flow has the same tuple',
};
const unknownHelper: Meaning = {
  code: 'ERR_IPVS_UNKNOWN_HELPER',
  says: 'the kernel does not support this setting of the flow',
  cause:
    'a helper that this kernel does not have (its module is nf_conntrack_NAME) or that does not fit the protocol; ' +
    'an update with a translation, a master or, from Linux 7, a helper; or labels where no rule uses any',
};

meanings.define(['UPDATE', 'DELETE', 'GET'], Errno.ENOENT, noSuchFlow);
meanings.define(['NEW'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_FLOW',
  says: 'there is no such master',
  cause: 'the flow that was named as the master has ended',
});
meanings.define(['NEW'], Errno.EEXIST, {
  code: 'ERR_IPVS_FLOW_EXISTS',
  says: 'a flow with one of these tuples exists',
  cause: 'both tuples must be unique: after NAT, two flows from one address and port to one server have the same reply',
});
meanings.define(['NEW'], Errno.ENOMEM, {
  code: 'ERR_IPVS_TABLE_FULL',
  says: 'no flow can be added',
  cause: 'the table is full: raise net.netfilter.nf_conntrack_max in the first namespace, or delete flows',
});
meanings.define(['NEW', 'UPDATE'], Errno.EOPNOTSUPP, unknownHelper);
meanings.define(['NEW', 'UPDATE'], Errno.ENOSPC, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the flow has no room for labels',
  cause: 'no rule of this namespace uses labels; the kernel gives flows room for them only then',
});
meanings.define(['NEW', 'UPDATE'], Errno.EBUSY, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the status or the helper',
  cause:
    'status bits that cannot change (only seen-reply, assured and fixed-timeout can be set), or another helper than ' +
    'the flow already has',
});
meanings.define(['NEW', 'UPDATE'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the flow',
  cause: 'tuples of different protocols, a reply tuple without the ports of its protocol, or an unknown state',
});
meanings.define(['NEW', 'UPDATE'], Errno.ERANGE, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the state',
  cause: 'a state that this kernel does not have: only old kernels have HEARTBEAT_ACKED of SCTP',
});
meanings.define(['NEW'], Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'not permitted',
  cause: 'creating a flow requires CAP_NET_ADMIN',
});
meanings.define(['DELETE_EXPECTATION'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_EXPECTATION',
  says: 'there is no such expectation',
  cause: 'it has been fulfilled or has timed out, or its zone differs',
});
meanings.define(['NEW_EXPECTATION'], Errno.ENOENT, { ...noSuchFlow, says: 'there is no such master' });
meanings.define(['NEW_EXPECTATION'], Errno.EOPNOTSUPP, {
  ...unknownHelper,
  says: 'the master has no helper, or not this one',
  cause: 'an expectation belongs to a helper: create its master with one, or let a rule give it one',
});
for (const errno of [Errno.EEXIST, Errno.EBUSY]) {
  meanings.define(['NEW_EXPECTATION'], errno, {
    code: 'ERR_IPVS_EXPECTATION_EXISTS',
    says: 'such an expectation exists',
  });
}
meanings.define(['NEW_EXPECTATION'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the expectation',
  cause: 'a class that its helper does not have, or a mask of another family than the tuple',
});
meanings.define(['DUMP'], Errno.EINTR, {
  code: 'ERR_IPVS_UNSTABLE',
  says: 'the number of buckets changed while the table was read',
  cause:
    'a program wrote net.netfilter.nf_conntrack_buckets; the flows that were read may be incomplete or repeated. ' +
    'Read the table again',
});
meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'not permitted',
  cause: 'conntrack requires CAP_NET_ADMIN in the network namespace, and entering a namespace requires CAP_SYS_ADMIN',
});
for (const errno of [Errno.EPROTONOSUPPORT, Errno.EINVAL]) {
  meanings.defineForAll(errno, {
    code: 'ERR_IPVS_NOT_AVAILABLE',
    says: 'this kernel has no netlink interface for connection tracking',
    cause: 'the module nf_conntrack_netlink is not loaded; as root, run modprobe nf_conntrack_netlink',
  });
}

export const errorFor = meanings.errorFor.bind(meanings);
export const translate = meanings.translate.bind(meanings);
