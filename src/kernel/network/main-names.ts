import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../call.js';
import type { NetworkPort } from './port.js';
import type { Link } from './types.js';

/**
 * Returns the main name of the interface with the given name, or the given name if no interface has it. Routing rules,
 * nf_tables and /proc/sys accept only the main name (dev->name); requests about the interface itself accept any.
 */
export function resolveInterface(given: string, links: readonly Pick<Link, 'name' | 'alternativeNames'>[]): string {
  return links.find(({ name, alternativeNames }) => name === given || alternativeNames.includes(given))?.name ?? given;
}

/** Matches the name of an interface in a path below /proc/sys: `net/ipv4/conf/NAME/...`. */
const INTERFACE_PART = /(?<=(?:^|\/)net\/(?:ipv[46]|mpls)\/(?:conf|neigh)\/)(?!(?:all|default)\/)[^/]+(?=\/)/;

/** Returns the name of the interface in the path of a setting. */
export function interfaceOfSysctl(path: string): string | undefined {
  return INTERFACE_PART.exec(path)?.[0];
}

/** Returns the path with another name of the interface. */
export function sysctlOf(path: string, name: string): string {
  return path.replace(INTERFACE_PART, () => name);
}

/** Returns the main name for each of these names that has an interface. */
export async function readMainNames(
  port: Pick<NetworkPort, 'link'>,
  names: Iterable<string>,
  options?: CallOptions,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const name of new Set(names))
    try {
      found.set(name, (await port.link(name, options)).name);
    } catch (error) {
      if (!(error instanceof KernelFailure) || error.errno !== Errno.ENODEV) throw error;
    }
  return found;
}
