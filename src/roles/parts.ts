import { describeService } from '../ipvs/describe.js';
import { checkServerKey, newServerSettings, type ServerOptions } from '../ipvs/server-options.js';
import { checkServiceKey, newServiceSettings, type ServiceOptions } from '../ipvs/service-options.js';
import { type Family, familyOf } from '../kernel/address.js';
import { checkAddress, checkInteger, checkOptions, show } from '../kernel/check.js';
import { IpvsError, invalid } from '../kernel/errors.js';
import { checkState, type NetfilterState } from '../netfilter/changes.js';
import type { Item } from './items.js';

/** A service, and where it goes. */
export interface ServiceWithServers {
  readonly service: ServiceOptions;
  readonly servers: readonly ServerOptions[];
}

/** The service, then its servers: it is checked here what would else fail half-way. */
export function serviceItems({ service, servers }: ServiceWithServers): Item[] {
  newServiceSettings(service);
  const key = checkServiceKey(service);
  const seen = new Set<string>();
  for (const server of list('servers', servers)) {
    newServerSettings(server, key);
    const { address, port } = checkServerKey(server, key);
    if (seen.has(`${address} ${port}`)) throw invalid(`a server is named twice: ${address} ${port}`);
    seen.add(`${address} ${port}`);
  }
  const { scheduler: _, schedulerFlags: __, persistence: ___, onePacket: ____, ...selector } = service;
  return [
    { kind: 'service', service },
    ...servers.map((server): Item => ({ kind: 'server', service: selector, server })),
  ];
}

/** Two with the same address and port would each change what the other has made. */
export function distinctServices(items: Item[]): Item[] {
  const seen = new Set<string>();
  for (const item of items) {
    if (item.kind !== 'service') continue;
    const text = describeService(checkServiceKey(item.service));
    if (seen.has(text)) throw invalid(`two services are ${text}`);
    seen.add(text);
  }
  return items;
}

export function netfilterItem(owner: string, state: NetfilterState): Item[] {
  checkState(state);
  return (state.marks?.length ?? 0) + (state.rules?.length ?? 0) === 0 ? [] : [{ kind: 'netfilter', owner, state }];
}

/** `net/ipv4/conf/eth0/arp_ignore`: with slashes, since an interface's name may hold dots. */
export function interfaceSysctl(interfaceName: string, name: string, value: number): Item {
  return { kind: 'sysctl', name: `net/ipv4/conf/${interfaceName}/${name}`, value: String(value) };
}

export function sysctlItem(name: string, value: boolean | number): Item {
  return { kind: 'sysctl', name, value: String(Number(value)) };
}

/** Sysctls of ip_vs in this namespace. */
export function ipvsSysctls(values: Readonly<Record<string, boolean | number | undefined>>): Item[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [sysctlItem(`net/ipv4/vs/${name}`, value)],
  );
}

/** An address as the only one of its network. */
export function hostAddress(interfaceName: string, address: string, announce = false): Item {
  const length = familyOf(address) === 'ipv6' ? 128 : 32;
  return { kind: 'address', interface: interfaceName, address: `${address}/${length}`, ...(announce && { announce }) };
}

/** One or several addresses, in canonical form. */
export function addresses(what: string, value: string | readonly string[]): { address: string; family: Family }[] {
  const given = typeof value === 'string' ? [value] : list(what, value);
  if (given.length === 0) throw invalid(`${what}: at least one address`);
  const checked = given.map((address) => checkAddress(what, address));
  return [...new Map(checked.map((one) => [one.address, one])).values()];
}

export function checkInterfaceName(what: string, value: unknown): string {
  if (typeof value === 'string' && /^[^\s/:\0]{1,15}$/.test(value) && value !== '.' && value !== '..') return value;
  throw invalid(`${what} is the name of an interface, not ${show(value)}`);
}

export function checkPort(what: string, value: unknown): number {
  return checkInteger(what, value, 1, 0xffff);
}

export function list<T>(what: string, value: readonly T[]): readonly T[] {
  if (Array.isArray(value)) return Array.from(value as readonly T[]);
  throw invalid(`${what} is a list, not ${show(value)}`);
}

/** Says where in the description something is wrong. */
export function at<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof IpvsError ? invalid(`${place}: ${error.message}`) : error;
  }
}

/** A port that is published: it can not be translated here. */
export function checkPortKey<T extends { readonly protocol: string; readonly port: number }>(key: T): T {
  checkOptions('a port', key, ['protocol', 'port']);
  return key;
}
