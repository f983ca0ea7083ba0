import type { ServerOptions } from '../ipvs/server-options.js';
import type { NewServiceKey, ServiceOptions } from '../ipvs/service-options.js';
import type { Timeouts } from '../kernel/ipvs/types.js';
import type { NetfilterState } from '../netfilter/changes.js';
import type { LinkOptions } from '../network/link-options.js';
import type { RouteOptions } from '../network/route-options.js';
import type { RoutingRuleOptions } from '../network/rule-options.js';

/** What stands around the table of IPVS, in the words of the rooms below. All of it can be kept as JSON. */
export type Item =
  | {
      readonly kind: 'sysctl';
      readonly name: string;
      readonly value: string;
      /** A larger number is as good. */
      readonly orMore?: boolean | undefined;
      /** The text that the kernel made of `value`, if it differs in meaning: rounded, clamped, only a part of it. */
      readonly reads?: string | undefined;
      /** Keeps the default route that the interface learnt from a router advertisement. */
      readonly keepsRoute?: true | undefined;
      /** Follows from something else that is wanted, which does without it: nobody's other value is in its way. */
      readonly implied?: boolean | undefined;
    }
  | { readonly kind: 'timeout'; readonly name: keyof Timeouts; readonly seconds: number }
  | { readonly kind: 'link'; readonly link: LinkOptions }
  | { readonly kind: 'up'; readonly interface: string }
  | {
      readonly kind: 'address';
      readonly interface: string;
      /** With its prefix length. */
      readonly address: string;
      /** The neighbours are told, once it is there. */
      readonly announce?: boolean | undefined;
    }
  | { readonly kind: 'route'; readonly route: RouteOptions }
  | { readonly kind: 'routing-rule'; readonly rule: RoutingRuleOptions }
  | { readonly kind: 'gue-port'; readonly port: number; readonly family: 'ipv4' | 'ipv6' }
  | { readonly kind: 'netfilter'; readonly owner: string; readonly state: NetfilterState };

export type ItemOf<Kind extends Item['kind']> = Extract<Item, { readonly kind: Kind }>;

/** One thing that a role makes: an item, or a row of the table of IPVS. */
export type Part =
  | Item
  | { readonly kind: 'service'; readonly service: ServiceOptions }
  | { readonly kind: 'server'; readonly service: NewServiceKey; readonly server: ServerOptions };

/** How something is: as wanted, not there, or otherwise. */
export type Found =
  | { readonly state: 'right' }
  | { readonly state: 'missing' }
  | { readonly state: 'other'; readonly is: string }
  /** Otherwise, and certainly not made by this owner. */
  | { readonly state: 'foreign'; readonly is: string };

export const right: Found = { state: 'right' };
export const missing: Found = { state: 'missing' };
export function other(is: string): Found {
  return { state: 'other', is };
}
