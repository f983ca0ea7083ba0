import { type Family, familyOf } from '../common/address.js';
import {
  at,
  checkAddress,
  checkList,
  checkOneOf,
  checkOptions,
  checkRange,
  invalidAt,
  namesOf,
} from '../common/check.js';
import { invalid } from '../common/errors.js';
import { ranges } from '../common/ranges.js';
import { newServerSettings, type ServerOptions } from '../ipvs/server-options.js';
import { checkServiceKey, newServiceSettings, type ServiceOptions } from '../ipvs/service-options.js';
import type { Part } from '../items/items.js';
import { describeServer, describeService } from '../kernel/ipvs/describe.js';
import { checkState, type NetfilterState } from '../netfilter/changes.js';
import { checkInterfaceAddress } from '../network/checks.js';

/** A published port, which is not translated. */
export interface PublishedPort {
  /** Transport protocol. */
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Port, from 1 to 65535; servers get packets at this port. */
  readonly port: number;
}

/** A service with its servers. */
export interface ServiceWithServers {
  /** The virtual service. */
  readonly service: ServiceOptions;
  /** Its real servers; each address and port occurs once. */
  readonly servers: readonly ServerOptions[];
}

/**
 * Returns the service, then its servers. Rejects in advance what would otherwise fail halfway. `placeOf` returns the
 * name of a server in the description.
 */
export function serviceItems(
  { service, servers }: ServiceWithServers,
  placeOf = (index: number): string => `servers[${index}]`,
): Part[] {
  newServiceSettings(service);
  const key = checkServiceKey(service);
  const seen = new Map<string, string>();
  for (const [index, server] of list('servers', servers).entries()) {
    const place = placeOf(index);
    const text = at(place, () => describeServer(newServerSettings(server, key).key));
    const first = seen.get(text);
    if (first !== undefined) throw invalidAt(place, `a server is named twice: ${text} is ${first}, too`);
    seen.set(text, place);
  }
  const { scheduler: _, schedulerFlags: __, persistence: ___, onePacket: ____, ...selector } = service;
  return [
    { kind: 'service', service },
    ...servers.map((server): Part => ({ kind: 'server', service: selector, server })),
  ];
}

/**
 * Returns the parts of `services`, one after the other. Rejects two services with the same address and port: each would
 * change what the other has made.
 */
export function distinctServices(services: readonly (readonly Part[])[]): Part[] {
  const distinct = new Distinct((text) => `are ${text}`);
  for (const [index, parts] of services.entries())
    for (const part of parts)
      if (part.kind === 'service') distinct.add(describeService(checkServiceKey(part.service)), index);
  return services.flat();
}

/** Rejects a value that two services have, if only one can have it. */
export class Distinct {
  readonly #says: (text: string) => string;
  readonly #seen = new Map<string, number>();

  /** `says` returns the predicate for two services with the same value. */
  constructor(says: (text: string) => string) {
    this.#says = says;
  }

  add(text: string, index: number): void {
    const first = this.#seen.get(text);
    if (first !== undefined)
      throw first === index
        ? invalidAt(`services[${index}]`, `two of its services ${this.#says(text)}`)
        : invalid(`two services ${this.#says(text)}: services[${first}] and services[${index}]`);
    this.#seen.set(text, index);
  }
}

export function netfilterItem(owner: string, state: NetfilterState): Part[] {
  checkState(state);
  return (state.marks?.length ?? 0) + (state.rules?.length ?? 0) === 0 ? [] : [{ kind: 'netfilter', owner, state }];
}

/**
 * Returns a setting such as `net/ipv4/conf/eth0/arp_ignore`, with slashes, because the name of an interface may have
 * dots.
 */
export function interfaceSysctl(interfaceName: string, name: string, value: number): Part {
  return { kind: 'sysctl', name: `net/ipv4/conf/${interfaceName}/${name}`, value: String(value) };
}

export function sysctlItem(name: string, value: boolean | number): Part {
  return { kind: 'sysctl', name, value: String(Number(value)) };
}

/** Returns sysctls of ip_vs in this namespace. */
export function ipvsSysctls(values: Readonly<Record<string, boolean | number | undefined>>): Part[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [sysctlItem(`net/ipv4/vs/${name}`, value)],
  );
}

/** Returns an address as the only one of its network. */
export function hostAddress(interfaceName: string, address: string, announce = false): Part {
  const family = familyOf(address) ?? 'ipv4';
  checkInterfaceAddress('the virtual address', { family, address });
  const length = family === 'ipv6' ? 128 : 32;
  return { kind: 'address', interface: interfaceName, address: `${address}/${length}`, ...(announce && { announce }) };
}

/** Returns one or several addresses, in canonical form. */
export function addresses(what: string, value: string | readonly string[]): { address: string; family: Family }[] {
  const given = typeof value === 'string' ? [value] : list(what, value);
  if (given.length === 0) throw invalid(`${what} is an address, or a list of at least one, not []`);
  const checked = given.map((address, index) =>
    checkAddress(typeof value !== 'string' ? `${what}[${index}]` : what, address),
  );
  return [...new Map(checked.map((one) => [one.address, one])).values()];
}

export function checkPort(what: string, value: unknown): number {
  return checkRange(what, value, ranges.port);
}

export function list<T>(what: string, value: readonly T[]): readonly T[] {
  return checkList(what, value);
}

const portNames = namesOf<PublishedPort>({ protocol: true, port: true });

/** Checks published ports, each of which may occur once: they are not translated. */
export function checkPorts(ports: readonly PublishedPort[]): readonly PublishedPort[] {
  const seen = new Map<string, number>();
  return list('ports', ports).map((key, index) =>
    at(`ports[${index}]`, () => {
      checkOptions('a port', key, portNames);
      const protocol = checkOneOf('protocol', key.protocol, ['tcp', 'udp', 'sctp'] as const);
      const port = checkPort('port', key.port);
      const first = seen.get(`${protocol} ${port}`);
      if (first !== undefined) throw invalid(`${protocol} port ${port} is named twice: it is ports[${first}], too`);
      seen.set(`${protocol} ${port}`, index);
      return { protocol, port };
    }),
  );
}
