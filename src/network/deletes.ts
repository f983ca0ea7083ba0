import type { IpvsError } from '../common/errors.js';
import { inPrefix, splitPrefix } from '../common/prefix.js';
import type { CallOptions } from '../kernel/call.js';
import { readMainNames } from '../kernel/network/main-names.js';
import type {
  ForwardingEntry,
  InterfaceAddress,
  NetworkOperation,
  Route,
  RouteSettings,
  RoutingRule,
  RoutingRuleSettings,
} from '../kernel/network/types.js';
import type { Context } from './context.js';
import { requestOf } from './describe.js';
import { noSuchAddress, noSuchForwardingEntry, noSuchRoute, noSuchRule, refusal, translate } from './errors.js';
import { isEntry } from './neighbour-options.js';
import { exactly, isRoute } from './route-options.js';
import { isRule, kernelTakes } from './rule-options.js';

type Delete<Name extends NetworkOperation['operation']> = Extract<NetworkOperation, { operation: Name }>;

/**
 * Deletes that need a check: the kernel ignores fields that a delete does not name, and deletes the first object that
 * matches, or more than one. So the objects are read first, and one is named with all its fields.
 */
export type Careful = Delete<'delete-address' | 'delete-route' | 'delete-rule' | 'delete-forwarding-entry'>;

export function isCareful(operation: NetworkOperation): operation is Careful {
  switch (operation.operation) {
    case 'delete-route':
    case 'delete-rule':
    case 'delete-forwarding-entry':
    case 'delete-address':
      return true;
    default:
      return false;
  }
}

/** Checks consecutive deletes with one reading, without the objects that they have deleted already. */
export class Deletes {
  readonly #context: Context;
  readonly #options: CallOptions | undefined;
  readonly #routes = new Map<string, Route[]>();
  readonly #rules = new Map<string, RoutingRule[]>();
  readonly #entries = new Map<string, ForwardingEntry[]>();

  constructor(context: Context, options: CallOptions | undefined) {
    this.#context = context;
    this.#options = options;
  }

  /** Returns the operation to send, or the error that prevents it. */
  async check(operation: Careful): Promise<NetworkOperation | IpvsError> {
    try {
      switch (operation.operation) {
        case 'delete-address':
          return await this.#address(operation);
        case 'delete-route':
          return await this.#route(operation);
        case 'delete-rule':
          return await this.#rule(operation);
        case 'delete-forwarding-entry':
          return await this.#entry(operation);
      }
    } catch (error) {
      const translated = translate(requestOf(operation), error);
      // A timeout or a closed handle ends all operations; a missing interface only ends this one.
      if (isOwn(translated)) return translated;
      throw translated;
    }
  }

  /**
   * Checks that no other address is deleted, too: with an IPv4 address the kernel deletes those of the same network
   * that were added after it (__inet_del_ifa in net/ipv4/devinet.c).
   */
  async #address(operation: Delete<'delete-address'>): Promise<NetworkOperation | IpvsError> {
    const { interface: name, address, prefixLength, family } = operation.address;
    const { port } = this.#context;
    const all = await port.addresses({ interface: name, family }, this.#options);
    const own = all.find((other) => other.address === `${address}/${prefixLength}`);
    // The kernel does not compare the peer, and the selector has none.
    if (own?.peer !== undefined) return refusal(requestOf(operation), noSuchAddress);
    if (!own || own.secondary || family === 'ipv6') return operation;
    const behind = all.filter((other) => other.secondary && sameNetwork(other, own));
    if (behind.length === 0) return operation;
    const paths = ['all', own.interface].map((part) => `/proc/sys/net/ipv4/conf/${part}/promote_secondaries`);
    const texts = await port.readFiles(paths, this.#options);
    if (texts.some((text) => typeof text === 'string' && text.trim() !== '0')) return operation;
    return refusal(requestOf(operation), {
      code: 'ERR_IPVS_AMBIGUOUS',
      says: `the kernel would delete ${behind.map((other) => other.address).join(', ')} with it`,
      cause: `they are its secondaries: delete them first, or set net.ipv4.conf.${own.interface}.promote_secondaries to 1`,
    });
  }

  async #route(operation: Delete<'delete-route'>): Promise<NetworkOperation | IpvsError> {
    const { family, table } = operation.route;
    const routes = await reading(this.#routes, `${family} ${table}`, () =>
      this.#context.port.routes({ family, table }, this.#options),
    );
    let named = operation.route;
    let found = routes.filter((route) => isRoute(route, named));
    if (found.length === 0) {
      named = await this.#withMainNames(named);
      found = routes.filter((route) => isRoute(route, named));
    }
    const [route] = found;
    if (!route) return refusal(requestOf(operation), noSuchRoute);
    if (found.length > 1) return this.#ambiguous(operation, found.length, 'routes', 'source, protocol or scope');
    routes.splice(routes.indexOf(route), 1);
    return { operation: 'delete-route', route: exactly(route, named) };
  }

  /**
   * Returns the route with the main names of interfaces, as routes that are read have them: a selector may use
   * alternative ones.
   */
  async #withMainNames(route: RouteSettings): Promise<RouteSettings> {
    const parts = [route, ...(route.nexthops ?? [])];
    const given = parts.flatMap((part) => part.interface ?? []);
    const names = await readMainNames(this.#context.port, given, this.#options);
    const main = <T extends { readonly interface?: string | undefined }>(part: T): T =>
      part.interface === undefined ? part : { ...part, interface: names.get(part.interface) ?? part.interface };
    return main({ ...route, ...(route.nexthops && { nexthops: route.nexthops.map(main) }) });
  }

  async #rule(operation: Delete<'delete-rule'>): Promise<NetworkOperation | IpvsError> {
    const { family } = operation.rule;
    const rules = await reading(this.#rules, family, () => this.#context.port.rules(family, this.#options));
    let found = rules.filter((rule) => isRule(rule, operation.rule));
    if (found.length === 0) {
      const named = await ruleWithMainNames(this.#context, operation.rule, this.#options);
      found = rules.filter((rule) => isRule(rule, named));
    }
    const [rule] = found;
    if (!rule) return refusal(requestOf(operation), noSuchRule);
    if (found.length > 1) return this.#ambiguous(operation, found.length, 'rules', 'priority or protocol');
    if (rules.find((other) => kernelTakes(other, rule)) !== rule)
      return refusal(requestOf(operation), {
        code: 'ERR_IPVS_AMBIGUOUS',
        says: 'the kernel would delete another rule',
        cause: 'one before it has the same and more: delete that first, or change its priority',
      });
    rules.splice(rules.indexOf(rule), 1);
    const { further: _, ...settings } = rule;
    return { operation: 'delete-rule', rule: settings };
  }

  async #entry(operation: Delete<'delete-forwarding-entry'>): Promise<NetworkOperation | IpvsError> {
    const { entry: named } = operation;
    const entries = await reading(this.#entries, named.interface, () =>
      this.#context.port.forwardingEntries({ interface: named.interface }, this.#options),
    );
    const found = entries.find((entry) => isEntry(entry, named));
    if (!found) {
      const others = entries.filter((entry) => entry.linkAddress === named.linkAddress);
      const has = others.map(({ destination, vlan }) => destination ?? (vlan === undefined ? 'none' : `vlan ${vlan}`));
      const { cause, ...rest } = noSuchForwardingEntry;
      const hint =
        others.length === 0
          ? cause
          : `the address has other entries, and what they have must be named: ${has.join(', ')}`;
      return refusal(requestOf(operation), { ...rest, cause: hint ?? '' });
    }
    entries.splice(entries.indexOf(found), 1);
    return operation;
  }

  #ambiguous(operation: NetworkOperation, count: number, what: string, name: string): IpvsError {
    return refusal(requestOf(operation), {
      code: 'ERR_IPVS_AMBIGUOUS',
      says: `there are ${count} such ${what}`,
      cause: `they differ in what is not named: name ${name}, or give one that was read`,
    });
  }
}

/**
 * Returns the rule with the main names of interfaces: a rule compares these as text (fib_rule_match in
 * net/core/fib_rules.c).
 */
export async function ruleWithMainNames(
  context: Context,
  rule: RoutingRuleSettings,
  options: CallOptions | undefined,
): Promise<RoutingRuleSettings> {
  const { inputInterface, outputInterface } = rule;
  const given = [inputInterface, outputInterface].filter((name) => name !== undefined);
  const names = await readMainNames(context.port, given, options);
  if (names.size === 0) return rule;
  return {
    ...rule,
    ...(inputInterface !== undefined && { inputInterface: names.get(inputInterface) ?? inputInterface }),
    ...(outputInterface !== undefined && { outputInterface: names.get(outputInterface) ?? outputInterface }),
  };
}

/** Reads a list once, so that a later delete sees it without the objects of earlier ones. */
async function reading<T>(kept: Map<string, T[]>, key: string, read: () => Promise<readonly T[]>): Promise<T[]> {
  const known = kept.get(key);
  if (known) return known;
  const list = [...(await read())];
  kept.set(key, list);
  return list;
}

function isOwn(error: unknown): error is IpvsError {
  return error instanceof Error && 'code' in error && error.code === 'ERR_IPVS_NO_SUCH_INTERFACE';
}

function sameNetwork(a: InterfaceAddress, b: InterfaceAddress): boolean {
  const [one, other] = [splitPrefix(a.address), splitPrefix(b.address)];
  return one.prefixLength === other.prefixLength && inPrefix(a.address)(other.address);
}
