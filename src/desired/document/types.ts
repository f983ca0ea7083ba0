import type { ServerOptions } from '../../ipvs/server-options.js';
import type { ServiceOptions } from '../../ipvs/service-options.js';
import type { Timeouts } from '../../kernel/ipvs/types.js';
import type { FwmarkOptions, FwmarkSelector } from '../../netfilter/mark-options.js';
import type { NetfilterRuleOptions } from '../../netfilter/rule-options.js';
import type { RoleDescription } from '../../roles/descriptions.js';
import type { DrainPolicy } from './drain-policy.js';

/**
 * A virtual service of a document. Defaults are those of `ServiceOptions` and `ServerOptions`. Accepts every service
 * and server that the kernel accepts, also with settings that have no effect: a document may be a saved table.
 */
export type DesiredService = ServiceOptions & {
  /** Real servers; an address alone has the defaults. Default: none. */
  readonly servers?: readonly (string | ServerOptions)[] | undefined;
  /**
   * Server that takes connections while no other server does: none exists, or all have weight 0. It must not be one of
   * `servers`.
   */
  readonly sorryServer?: string | ServerOptions | undefined;
  /** Drain policy for the servers of this service. Default: that of the document. */
  readonly drain?: DrainPolicy | undefined;
  /**
   * True if the service may belong to another owner or another program. If another one made it, only own servers are
   * added and removed; the service, and the servers of others, stay as they are. Settings that the document leaves out
   * are not compared. A service that does not exist is made, and then belongs to the owner that made it: it is deleted
   * when that owner no longer wants it and the servers of others are gone. Default: `false`: a service that another one
   * made is a conflict, unless it is adopted.
   */
  readonly shared?: boolean | undefined;
} & (
    | {
        /** Mark of the packets, from 1 to 0xffffffff. */
        readonly fwmark: number;
        /** Packets that get the mark. Default: none, another program marks them. */
        readonly marks?: readonly FwmarkSelector[] | undefined;
      }
    | {
        /** Absent: the service goes by protocol, address and port. */
        readonly fwmark?: never;
        /** Absent: only a service by mark has marks. */
        readonly marks?: never;
      }
  );

/** An address that the namespace must have. */
export interface DesiredAddress {
  /** Name of the interface: main or alternative name, 1 to 127 bytes. */
  readonly interface: string;
  /**
   * Address with its prefix length. Default length: 32, or 128 for IPv6: the only address of its network. Rejects
   * addresses that no interface can have: 0.0.0.0, `::`, IPv6 multicast.
   */
  readonly address: string;
  /**
   * True if the address is announced to the neighbours once it exists. While its link is down the announcement waits:
   * the next `apply()`, or `watch({ repair: true })` as soon as the link is up, sends it. Default: false.
   */
  readonly announce?: boolean | undefined;
}

/**
 * Everything that one owner wants of one network namespace. Omitted objects are not wanted; objects of others are not
 * touched.
 */
export interface DesiredDocument {
  /**
   * Name of the owner: 1 to 48 letters, digits, "_", "." and "-". Every object that was made under this name, and that
   * the document lacks, is deleted.
   */
  readonly owner: string;
  /** Network namespace: a name as in `ip netns`, or a path. Default: the namespace of the process. */
  readonly namespace?: string | undefined;
  /** Roles of the machine, as `Role` makes them. */
  readonly roles?: readonly RoleDescription[] | undefined;
  /**
   * Virtual services. Those of UDP, and those with a mark for UDP in the document, set the sysctl
   * `net.ipv4.vs.expire_nodest_conn` to 1, unless `sysctls` has it: without it IPVS drops the datagrams of a sender
   * whose server is removed until the sender pauses for 300 s. The sysctl holds for all services of the namespace.
   * Marks without a protocol do not set it.
   */
  readonly services?: readonly DesiredService[] | undefined;
  /** Addresses that interfaces of the namespace must have. Default: none. */
  readonly addresses?: readonly DesiredAddress[] | undefined;
  /** Marks that belong to no service of this document. */
  readonly marks?: readonly FwmarkOptions[] | undefined;
  /**
   * Rules of NAT, and for segment sizes. The first packet of a flow decides about its translation: established TCP
   * connections keep theirs until they end. UDP flows that become stale when a rule is added, changed or removed are
   * deleted: a sender that never pauses would keep its old translation forever. A flow shows neither interfaces nor
   * marks that no mark of this document sets: rules with them may delete flows that then restart unchanged.
   */
  readonly nat?: readonly NetfilterRuleOptions[] | undefined;
  /** Drain policy for services without one. Default: servers are removed at once. */
  readonly drain?: DrainPolicy | undefined;
  /** Timeouts in seconds, for all services of the namespace. */
  readonly timeouts?: { readonly [Name in keyof Timeouts]?: Timeouts[Name] | undefined } | undefined;
  /**
   * Kernel settings such as `net.ipv4.vs.conntrack`; with slashes if a name has dots. A setting that is no longer
   * wanted is restored.
   */
  readonly sysctls?: Readonly<Record<string, string | number | boolean>> | undefined;
}
