/**
 * The one declaration of the codes and their meanings. `docs/errors.md` is generated from it. The `errors.ts` of each
 * module assigns codes to commands and errnos. New codes may be added; none changes its meaning.
 */
const codes = {
  ERR_IPVS_INVALID_ARGUMENT:
    'An argument is one that the kernel would reject, ignore or misread. Nothing was sent. Fix the call.',
  ERR_IPVS_ADDON_NOT_LOADED:
    'The addon cannot be loaded on this machine. The message names the folders that were searched, and the command that compiles it.',
  ERR_IPVS_NOT_AVAILABLE:
    'The kernel lacks IPVS, or another subsystem that the call needs, and cannot load its module. For tests, `npx ipvs-with-kernel` runs a program on a kernel with IPVS.',
  ERR_IPVS_PERMISSION:
    'The process lacks a capability: CAP_NET_ADMIN for most requests, CAP_SYS_ADMIN to enter a network namespace, or write access to /proc/sys.',
  ERR_IPVS_NO_SUCH_NAMESPACE: 'The network namespace does not exist, or the file is not a namespace.',
  ERR_IPVS_NO_SUCH_SERVICE: 'The virtual service does not exist.',
  ERR_IPVS_NO_SUCH_SERVER: 'The virtual service does not have this server, or the server is not draining.',
  ERR_IPVS_NO_SUCH_DAEMON: 'No synchronisation daemon of this role is running.',
  ERR_IPVS_NO_SUCH_FLOW: 'The flow, or the master of a new flow or expectation, does not exist.',
  ERR_IPVS_NO_SUCH_EXPECTATION: 'The expectation does not exist.',
  ERR_IPVS_NO_SUCH_INTERFACE: 'The network interface does not exist in this namespace.',
  ERR_IPVS_NO_SUCH_ADDRESS: 'The interface does not have this address.',
  ERR_IPVS_NO_SUCH_ROUTE: 'The route does not exist, or no route leads to the address.',
  ERR_IPVS_NO_SUCH_NEIGHBOUR: 'The neighbour entry (ARP, NDP) does not exist.',
  ERR_IPVS_NO_SUCH_FORWARDING_ENTRY: 'The forwarding entry of a bridge or vxlan does not exist.',
  ERR_IPVS_NO_SUCH_SYSCTL: 'The sysctl does not exist in this kernel, or not in this namespace.',
  ERR_IPVS_NO_SUCH_MARK: 'No mark is set for these packets.',
  ERR_IPVS_NO_SUCH_UDP_TUNNEL: 'No UDP tunnel (fou, GUE) receives on this port.',
  ERR_IPVS_NO_SUCH_RULE: 'The NAT rule or routing rule does not exist.',
  ERR_IPVS_UNKNOWN_SCHEDULER:
    'The kernel does not have this scheduler: its name is misspelt, or its module cannot be loaded.',
  ERR_IPVS_UNKNOWN_ENGINE:
    'The kernel does not have this persistence engine: its name is misspelt, or its module cannot be loaded.',
  ERR_IPVS_UNKNOWN_HELPER: 'The kernel does not have this conntrack helper, or cannot attach it to the flow.',
  ERR_IPVS_TABLE_FULL:
    'The connection tracking table is full (net.netfilter.nf_conntrack_max), or memory is exhausted.',
  ERR_IPVS_SERVICE_EXISTS: 'The virtual service already exists.',
  ERR_IPVS_SERVER_EXISTS: 'The virtual service already has this server.',
  ERR_IPVS_DAEMON_RUNNING: 'A synchronisation daemon of this role is already running.',
  ERR_IPVS_FLOW_EXISTS: 'A flow with the same original or reply tuple already exists.',
  ERR_IPVS_EXPECTATION_EXISTS: 'An expectation for these packets already exists.',
  ERR_IPVS_NAMESPACE_EXISTS: 'A network namespace, or a file, with this name already exists.',
  ERR_IPVS_LINK_EXISTS: 'An interface with this name, or one with the same function, already exists.',
  ERR_IPVS_ADDRESS_EXISTS: 'The interface already has this address.',
  ERR_IPVS_ROUTE_EXISTS: 'A route to this destination with this metric already exists in the table.',
  ERR_IPVS_FORWARDING_ENTRY_EXISTS: 'A forwarding entry for this link-layer address already exists.',
  ERR_IPVS_AMBIGUOUS:
    'A delete matches several objects, or one that the kernel cannot distinguish from another. Nothing was sent.',
  ERR_IPVS_MARK_EXISTS: 'A mark is already set for these packets.',
  ERR_IPVS_UDP_TUNNEL_EXISTS: 'The UDP port is already in use.',
  ERR_IPVS_RULE_EXISTS: 'An identical rule already exists.',
  ERR_IPVS_FOREIGN:
    'A conflicting object belongs to another program or owner. It was not changed, and nothing was done.',
  ERR_IPVS_STEP_FAILED:
    'A step of a role or document failed. The error is an `ApplyError` with `outcomes` (the steps that were tried), `notTried` and `left` (what remains in effect).',
  ERR_IPVS_RECORD: 'The record of an owner, or the record that all owners share, cannot be read or written.',
  ERR_IPVS_OUT_OF_RANGE: 'The kernel reports that a number is out of range.',
  ERR_IPVS_REJECTED: 'The kernel rejected the request as invalid. The message names the usual causes.',
  ERR_IPVS_FAMILY_NOT_SUPPORTED: 'The kernel, or IPVS, was built or started without IPv6.',
  ERR_IPVS_NOT_SUPPORTED: 'The kernel does not support a part of the request.',
  ERR_IPVS_UNLOADING: 'The module ip_vs is being unloaded.',
  ERR_IPVS_CHANGED:
    'Another program changed the object: since it was read, for an update with `ifUnchanged`, which sent nothing; or its weight, for a drain.',
  ERR_IPVS_UNSTABLE: 'The state changed during each of several attempts to read or set it. Try again later.',
  ERR_IPVS_TIMEOUT: 'The request took longer than its timeout. The kernel may still execute it.',
  ERR_IPVS_CLOSED: 'The handle is closed.',
  ERR_IPVS_OVERRUN:
    'A reply of the kernel did not fit into the receive buffer. It is unknown whether the request was executed: read the state again.',
  ERR_IPVS_PROTOCOL: 'A reply of the kernel cannot be decoded.',
  ERR_IPVS_SYSTEM: 'The kernel reported another errno. See `errno` and `errnoName`.',
} as const;

/**
 * The stable part of every error of this library: branch on it. The meaning of each code is in
 * {@link errorCodes} and in `docs/errors.md`. New codes may be added; none changes its meaning.
 */
export type IpvsErrorCode = keyof typeof codes;

/** Every value of `IpvsError.code`, with its meaning as a sentence, for logs and help texts. */
export const errorCodes: Readonly<Record<IpvsErrorCode, string>> = codes;
