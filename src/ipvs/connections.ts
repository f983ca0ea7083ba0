import { checkAddress, checkCallOptions, checkOptions, checkRange, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { ranges } from '../common/ranges.js';
import type { CallOptions } from '../kernel/call.js';
import type { ConnectionEntry } from '../kernel/ipvs/types.js';
import type { Context } from './context.js';
import { translate } from './errors.js';

/** Selects connections. An absent condition matches all. */
export interface ConnectionFilter {
  /** Name of the protocol, in upper or lower case: `tcp`, `udp`, `sctp`; `ip` for templates of fwmark services. */
  readonly protocol?: string | undefined;
  /** Address of the client, in any spelling. */
  readonly clientAddress?: string | undefined;
  /** Port of the client, 0 to 65535; 0 selects templates of persistence. */
  readonly clientPort?: number | undefined;
  /** Address that the client connected to. */
  readonly virtualAddress?: string | undefined;
  /** Port that the client connected to, 0 to 65535. */
  readonly virtualPort?: number | undefined;
  /** Address of the server. */
  readonly serverAddress?: string | undefined;
  /** Port of the server, 0 to 65535. */
  readonly serverPort?: number | undefined;
  /** The kernel's name of the state, in upper or lower case: `established`. */
  readonly state?: string | undefined;
}

const addressNames = ['clientAddress', 'virtualAddress', 'serverAddress'] as const;
const portNames = ['clientPort', 'virtualPort', 'serverPort'] as const;
const textNames = ['protocol', 'state'] as const;
const filterNames: readonly (keyof ConnectionFilter)[] = [...addressNames, ...portNames, ...textNames];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function connectionMatcher(filter: ConnectionFilter): (connection: ConnectionEntry) => boolean {
  checkOptions('a filter of connections', filter, filterNames);
  const wanted = new Map<keyof ConnectionEntry, string | number>();
  for (const name of addressNames) {
    if (filter[name] !== undefined) wanted.set(name, checkAddress(name, filter[name]).address);
  }
  for (const name of portNames) {
    if (filter[name] !== undefined) wanted.set(name, checkRange(name, filter[name], ranges.anyPort));
  }
  for (const name of textNames) {
    if (filter[name] !== undefined) wanted.set(name, checkText(name, filter[name]).toUpperCase());
  }
  return (connection) => [...wanted].every(([name, value]) => connection[name] === value);
}

function checkText(what: string, value: unknown): string {
  if (typeof value === 'string' && /^[\x21-\x7e]{1,32}$/.test(value)) return value;
  throw invalid(`${what} must be a word of 1 to 32 characters, not ${show(value)}`);
}

/** Yields the connections of a namespace while it reads the file. Keeps only a part of the file in memory. */
export async function* readConnections(
  context: Context,
  filter: ConnectionFilter,
  options?: CallOptions,
): AsyncGenerator<ConnectionEntry, void, void> {
  const matches = connectionMatcher(filter);
  checkCallOptions(options);
  try {
    for await (const connection of context.port.connections(options)) {
      if (matches(connection)) yield connection;
    }
  } catch (error) {
    throw translate({ command: 'READ_FILE', action: 'read', object: '/proc/net/ip_vs_conn' }, error);
  }
}
