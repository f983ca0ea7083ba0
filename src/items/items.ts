import type { SettingDifference } from '../ipvs/differences.js';
import type { ServerOptions } from '../ipvs/server-options.js';
import type { NewServiceKey, ServiceOptions } from '../ipvs/service-options.js';
import type { Timeouts } from '../kernel/ipvs/types.js';
import type { NetfilterState } from '../netfilter/changes.js';
import type { NetfilterDifference } from '../netfilter/differences.js';
import type { LinkOptions } from '../network/link-options.js';
import type { RouteOptions } from '../network/route-options.js';
import type { RoutingRuleOptions } from '../network/rule-options.js';

/**
 * An object that a role needs besides the rows of the IPVS table, in the options of the lower modules. It can be kept
 * as JSON.
 */
export type Item =
  | {
      readonly kind: 'sysctl';
      readonly name: string;
      readonly value: string;
      /** True if a larger number is right, too. */
      readonly orMore?: boolean | undefined;
      /** Text that the kernel made of `value`, if its meaning differs: rounded, clamped, only a part of it. */
      readonly reads?: string | undefined;
      /** True if the setting keeps the default route that the interface learnt from a router advertisement. */
      readonly keepsRoute?: true | undefined;
      /**
       * True if the item only follows from another wanted one, which works without it: another owner's value is no
       * conflict.
       */
      readonly implied?: boolean | undefined;
    }
  | { readonly kind: 'timeout'; readonly name: keyof Timeouts; readonly seconds: number }
  | { readonly kind: 'link'; readonly link: LinkOptions }
  | { readonly kind: 'up'; readonly interface: string }
  | {
      readonly kind: 'address';
      readonly interface: string;
      /** Address with its prefix length. */
      readonly address: string;
      /** True if the address is announced to the neighbours once it exists. */
      readonly announce?: boolean | undefined;
    }
  | { readonly kind: 'route'; readonly route: RouteOptions }
  | { readonly kind: 'routing-rule'; readonly rule: RoutingRuleOptions }
  | { readonly kind: 'gue-port'; readonly port: number; readonly family: 'ipv4' | 'ipv6' }
  | { readonly kind: 'netfilter'; readonly owner: string; readonly state: NetfilterState };

export type ItemOf<Kind extends Item['kind']> = Extract<Item, { readonly kind: Kind }>;

/** One thing that a role makes: an item, or a row of the IPVS table. */
export type Part =
  | Item
  | { readonly kind: 'service'; readonly service: ServiceOptions }
  | { readonly kind: 'server'; readonly service: NewServiceKey; readonly server: ServerOptions };

/** State of an item in the kernel: as wanted, missing, or different. */
export type Found =
  | { readonly state: 'right' }
  | { readonly state: 'missing' }
  | {
      readonly state: 'other';
      readonly differences: readonly SettingDifference[];
      /** Differences of the marks and rules of a table. */
      readonly content?: readonly NetfilterDifference[] | undefined;
    }
  /** Different, and certainly not made by this owner. Without differences: another program's, whatever it contains. */
  | { readonly state: 'foreign'; readonly differences: readonly SettingDifference[] };

export const right: Found = { state: 'right' };
export const missing: Found = { state: 'missing' };
export function other(...differences: readonly SettingDifference[]): Found {
  return { state: 'other', differences };
}
