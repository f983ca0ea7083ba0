import { inspect } from 'node:util';
import { checkCallOptions, checkFlag } from '../kernel/check.js';
import { IpvsError } from '../kernel/errors.js';
import type {
  Forwarding,
  ServerEntry,
  ServerKey,
  ServerSettings,
  ServiceKey,
  Statistics,
  TunnelChecksum,
  TunnelType,
} from '../kernel/ipvs/types.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { Context } from './context.js';
import { describeServer, describeService } from './describe.js';
import { serverAgrees } from './differences.js';
import { noServer } from './errors.js';
import {
  changeServer,
  checkServerChanges,
  heldServerSettings,
  type ServerChanges,
  type ServerOptions,
} from './server-options.js';
import { statisticsToJSON } from './statistics.js';
import { serverLine } from './text.js';

/** How an update goes about it. */
export interface UpdateOptions extends CallOptions {
  /**
   * Refuse with `ERR_IPVS_CHANGED` if the settings are no longer those of this object. The kernel
   * has no such operation: somebody who changes it between our reading and writing is not seen.
   */
  readonly ifUnchanged?: boolean | undefined;
}

/** The tunnel of a server with forwarding `tunnel`. */
export interface Tunnel {
  readonly type: TunnelType;
  /** Of GUE; else 0. */
  readonly port: number;
  readonly checksum: TunnelChecksum;
}

/**
 * A real server of a virtual service, as it was when it was read: the properties do not change.
 * What changes it gives a new object.
 */
export class RealServer {
  readonly #context: Context;
  readonly #entry: ServerEntry;
  /** The service it belongs to. */
  readonly service: ServiceKey;
  #key: ServerKey | undefined;

  /** @internal */
  constructor(context: Context, service: ServiceKey, entry: ServerEntry) {
    this.#context = context;
    this.#entry = entry;
    this.service = service;
  }

  get key(): ServerKey {
    this.#key ??= this.#entry.key;
    return this.#key;
  }

  get address(): string {
    return this.key.address;
  }
  /** 0: the port of the packet is kept. */
  get port(): number {
    return this.key.port;
  }
  /** `local` is what the kernel makes of any method if the address is the director's own. */
  get forwarding(): Forwarding {
    return this.#entry.forwarding;
  }
  get tunnel(): Tunnel | undefined {
    const { forwarding, tunnelType, tunnelPort, tunnelChecksum } = this.#entry;
    return forwarding === 'tunnel' ? { type: tunnelType, port: tunnelPort, checksum: tunnelChecksum } : undefined;
  }
  get weight(): number {
    return this.#entry.weight;
  }
  get upperThreshold(): number {
    return this.#entry.upperThreshold;
  }
  get lowerThreshold(): number {
    return this.#entry.lowerThreshold;
  }
  /** Connections in an active state (TCP: established). */
  get activeConnections(): number {
    return this.#entry.activeConnections;
  }
  /** All other connections the kernel still remembers; UDP's are always here. */
  get inactiveConnections(): number {
    return this.#entry.inactiveConnections;
  }
  /** Persistence templates: clients that are bound to this server. */
  get persistentConnections(): number {
    return this.#entry.persistentConnections;
  }
  get statistics(): Statistics {
    return this.#entry.statistics;
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER`, `ERR_IPVS_NO_SUCH_SERVICE` */
  async read(options?: CallOptions): Promise<RealServer> {
    return readServer(this.#context, this.service, this.key, options);
  }

  /**
   * Changes what is named and keeps the rest, by reading first: the kernel resets what a change
   * leaves out. Another program's change in between is lost (see `ifUnchanged`).
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER`, `ERR_IPVS_NO_SUCH_SERVICE`, `ERR_IPVS_CHANGED`,
   * `ERR_IPVS_NOT_SUPPORTED` for a tunnel that this kernel does not know.
   */
  async update(changes: ServerChanges, options: UpdateOptions = {}): Promise<RealServer> {
    checkServerChanges(changes);
    changeServer(this.#entry, changes, this.service); // complain before asking the kernel
    const { ifUnchanged, call } = checkUpdate(options);
    const current = await readServerEntry(this.#context, this.service, this.key, call);
    if (ifUnchanged && !sameServer(current, this.#entry)) throw changed(this);
    const server = changeServer(current, changes, this.service);
    await this.#context.change({ command: 'SET_DEST', service: this.service, server }, call);
    return readBack(this.#context, this.service, server, call);
  }

  /**
   * Whether it does what {@link VirtualService.addServer} would make of these options, whatever its address and port.
   * Settings without effect do not count, for example the port of a tunnel that is not GUE.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  matches(options: ServerOptions): boolean {
    return serverAgrees(heldServerSettings(options, this.service), this.#entry);
  }

  /**
   * Removes it from the service. Its connections are cut, or go on until they end: see the
   * sysctl `expire_nodest_conn`.
   */
  async delete(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'DEL_DEST', service: this.service, server: this.key }, options);
  }

  toJSON(): Record<string, unknown> {
    return {
      address: this.address,
      port: this.port,
      forwarding: this.forwarding,
      ...(this.tunnel === undefined ? {} : { tunnel: this.tunnel }),
      weight: this.weight,
      upperThreshold: this.upperThreshold,
      lowerThreshold: this.lowerThreshold,
      activeConnections: this.activeConnections,
      inactiveConnections: this.inactiveConnections,
      persistentConnections: this.persistentConnections,
      statistics: statisticsToJSON(this.statistics),
    };
  }

  /** As `ipvsadm -Ln` has it. */
  toString(): string {
    return serverLine(this);
  }

  /** @internal */
  [inspect.custom](): string {
    return this.toString();
  }
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` @internal */
export function checkUpdate(options: UpdateOptions): { readonly ifUnchanged: boolean; readonly call: CallOptions } {
  checkCallOptions(options, ['ifUnchanged']);
  const { ifUnchanged = false, ...call } = options;
  return { ifUnchanged: checkFlag('ifUnchanged', ifUnchanged), call };
}

/** Whether two readings of a server agree in all that can be set. @internal */
export function sameServer(a: ServerSettings, b: ServerSettings): boolean {
  return (
    a.forwarding === b.forwarding &&
    a.weight === b.weight &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold &&
    a.tunnelType === b.tunnelType &&
    a.tunnelPort === b.tunnelPort &&
    a.tunnelChecksum === b.tunnelChecksum
  );
}

function changed(server: RealServer): IpvsError {
  const object = `${describeServer(server.key)} of ${describeService(server.service)}`;
  return new IpvsError('ERR_IPVS_CHANGED', `server ${object} has been changed since it was read; nothing was sent`, {
    request: { action: 'update server', object },
  });
}

/** @internal */
export async function readServerEntry(
  context: Context,
  service: ServiceKey,
  key: ServerKey,
  options?: CallOptions,
): Promise<ServerEntry> {
  const object = `${describeServer(key)} of ${describeService(service)}`;
  const request = { command: 'GET_DEST', action: 'read server', object } as const;
  // The kernel lists servers; it cannot be asked for one.
  const servers = await context.ask(
    request.command,
    request.action,
    object,
    () => context.port.servers(service, options),
    options,
  );
  const found = servers.find((entry) => {
    const { address, port } = entry.key;
    return address === key.address && port === key.port;
  });
  if (!found) throw noServer(request);
  return found;
}

/** @internal */
export async function readServer(
  context: Context,
  service: ServiceKey,
  key: ServerKey,
  options?: CallOptions,
): Promise<RealServer> {
  return new RealServer(context, service, await readServerEntry(context, service, key, options));
}

/** Reads what was just written: a kernel ignores a tunnel type that it does not know. @internal */
export async function readBack(
  context: Context,
  service: ServiceKey,
  written: Pick<ServerEntry, 'key' | 'forwarding' | 'tunnelType'>,
  options?: CallOptions,
): Promise<RealServer> {
  const entry = await readServerEntry(context, service, written.key, options);
  if (written.forwarding === 'tunnel' && written.tunnelType !== 'ipip' && !entry.knowsTunnels) {
    throw new IpvsError(
      'ERR_IPVS_NOT_SUPPORTED',
      `this kernel took server ${describeServer(written.key)} with an ipip tunnel: it knows no ${written.tunnelType} (Linux 5.3 and later do)`,
      { request: { action: 'set the tunnel of', object: describeServer(written.key) } },
    );
  }
  return new RealServer(context, service, entry);
}
