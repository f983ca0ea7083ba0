import { inspect } from 'node:util';
import { checkCallOptions, checkFlag, checkInteger } from '../common/check.js';
import { IpvsError } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { encodeServer, encodeService } from '../kernel/ipvs/ids.js';
import type { IpvsTableEntry } from '../kernel/ipvs/types.js';
import type { Context } from './context.js';
import { RealServer, sameServer } from './real-server.js';
import { serverLine, serviceLine } from './text.js';
import { sameService, VirtualService } from './virtual-service.js';

export interface TableOptions extends CallOptions {
  /**
   * True to read until two consecutive readings have the same services, servers and settings. The kernel
   * returns a table in several messages, and does not report changes in between. Default: false.
   */
  readonly consistent?: boolean | undefined;
  /** Maximum number of readings for `consistent`, 2 to 1 000 000. Default: 8. */
  readonly attempts?: number | undefined;
}

/**
 * A service and its servers.
 *
 * @example
 * ```ts
 * import { Ipvs } from 'ipvs';
 *
 * const ipvs = await Ipvs.open();
 * for (const { service, servers } of await ipvs.table()) {
 *   console.log(String(service));
 *   for (const server of servers) console.log(String(server), server.statistics.connections);
 * }
 * await ipvs.close();
 * ```
 */
export class TableRow {
  /** The service at the time it was read. */
  readonly service: VirtualService;
  /** Its servers, in the kernel's order: the newest first. */
  readonly servers: readonly RealServer[];

  /** @internal */
  constructor(service: VirtualService, servers: readonly RealServer[]) {
    this.service = service;
    this.servers = servers;
  }

  /** Returns the service with its servers for JSON, the counters as strings. */
  toJSON(): Record<string, unknown> {
    return { ...this.service.toJSON(), servers: this.servers };
  }

  /** Formats the row as `ipvsadm -Ln` does. */
  toString(): string {
    return [serviceLine(this.service), ...this.servers.map(serverLine)].join('\n');
  }

  /** @internal */
  [inspect.custom](): string {
    return this.toString();
  }
}

/** @throws IpvsError `ERR_IPVS_UNSTABLE` if no two consecutive readings agree */
export async function readTable(context: Context, options: TableOptions = {}): Promise<TableRow[]> {
  checkCallOptions(options, ['consistent', 'attempts']);
  const { consistent = false, attempts = 8, ...call } = options;
  checkFlag('consistent', consistent);
  checkInteger('attempts', attempts, 2, 1_000_000);
  const read = (): Promise<readonly IpvsTableEntry[]> =>
    context.ask({ command: 'GET_SERVICE', action: 'read', object: 'the table', options: call }, () =>
      context.port.table(call),
    );
  if (!consistent) return rows(context, await read());
  let before = await read();
  for (let attempt = 1; attempt < attempts; attempt++) {
    const now = await read();
    if (sameTable(before, now)) return rows(context, now);
    before = now;
  }
  throw new IpvsError('ERR_IPVS_UNSTABLE', `cannot read the table: it changed during each of ${attempts} readings`, {
    request: { action: 'read', object: 'the table' },
  });
}

function rows(context: Context, entries: readonly IpvsTableEntry[]): TableRow[] {
  return entries.map(({ service, servers }) => {
    const { key } = service;
    return new TableRow(
      new VirtualService(context, service),
      servers.map((server) => new RealServer(context, key, server)),
    );
  });
}

/** Returns true if two readings have equal settings. Ignores counters and order. */
function sameTable(a: readonly IpvsTableEntry[], b: readonly IpvsTableEntry[]): boolean {
  if (a.length !== b.length) return false;
  const others = new Map(b.map((row) => [encodeService(row.service.key), row]));
  return a.every((row) => {
    const other = others.get(encodeService(row.service.key));
    if (!other || !sameService(row.service, other.service) || row.servers.length !== other.servers.length) return false;
    const servers = new Map(other.servers.map((server) => [encodeServer(server.key), server]));
    return row.servers.every((server) => {
      const counterpart = servers.get(encodeServer(server.key));
      return counterpart !== undefined && sameServer(server, counterpart);
    });
  });
}
