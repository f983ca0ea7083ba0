import { familyOf, readAddress, writeAddress } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import { AF_INET6, familyNumber } from '../../kernel/families.js';
import type { IpvsPort } from '../../kernel/ipvs/port.js';
import type {
  ConnectionEntry,
  Daemon,
  DaemonRole,
  DaemonSettings,
  Info,
  IpvsChange,
  IpvsTableEntry,
  ServerEntry,
  ServiceEntry,
  ServiceKey,
  Timeouts,
} from '../../kernel/ipvs/types.js';
import type { IpvsReplies, NativeDaemon, NativeIpvsSession } from '../addon.js';
import type { Arguments, Sender } from '../requests.js';
import { SessionFiles } from '../session-files.js';
import { readConnections, readServers, readServersByService, readServices } from './read.js';
import { writeChanges, writeServiceKey } from './write.js';

const daemonStates: Readonly<Record<DaemonRole, number>> = { master: 1, backup: 2 };

/** IPVS through the addon. */
export class NativeIpvsPort extends SessionFiles implements IpvsPort {
  readonly #sender: Sender<NativeIpvsSession, IpvsReplies>;
  /** Number of the generic netlink family "IPVS". It changes each time ip_vs is loaded. */
  #family: number;

  constructor(sender: Sender<NativeIpvsSession, IpvsReplies>, family: number) {
    super(sender);
    this.#sender = sender;
    this.#family = family;
  }

  async apply(changes: readonly IpvsChange[], options: CallOptions = {}): Promise<ArrayLike<number>> {
    if (changes.length === 0) return [];
    // Sends all changes in one request. Other requests may run between its windows. If it is cancelled, the kernel has
    // executed the first changes, and none of the others.
    const records = writeChanges(changes);
    const outcomes = await this.#sender.send('apply', [records], options);
    // Every change fails if the family number is outdated.
    if (!outcomes.every((errno) => errno === Errno.ENOENT) || !(await this.#reloaded(options))) return outcomes;
    return this.#sender.send('apply', [records], options);
  }

  async service(key: ServiceKey, options: CallOptions = {}): Promise<ServiceEntry> {
    const [entry] = readServices(await this.#ask('getService', [writeServiceKey(key)], options));
    if (!entry) throw new KernelFailure(Errno.EBADMSG, 'no service in the reply');
    return entry;
  }

  async services(options: CallOptions = {}): Promise<readonly ServiceEntry[]> {
    return readServices(await this.#ask('listServices', [], options));
  }

  async servers(key: ServiceKey, options: CallOptions = {}): Promise<readonly ServerEntry[]> {
    return readServers(await this.#ask('listServers', [writeServiceKey(key)], options));
  }

  async table(options: CallOptions = {}): Promise<readonly IpvsTableEntry[]> {
    const { services, servers } = await this.#ask('readTable', [], options);
    const entries = readServices(services);
    const rows = readServersByService(servers, entries.length);
    return entries.map((service, index) => ({ service, servers: rows[index] ?? [] }));
  }

  async info(options: CallOptions = {}): Promise<Info> {
    const { version, connectionTableSize } = await this.#ask('getInfo', [], options);
    return { version: `${(version >> 16) & 0xff}.${(version >> 8) & 0xff}.${version & 0xff}`, connectionTableSize };
  }

  timeouts(options: CallOptions = {}): Promise<Timeouts> {
    return this.#ask('getTimeouts', [], options);
  }

  async setTimeouts(timeouts: Timeouts, options: CallOptions = {}): Promise<void> {
    await this.#ask('setTimeouts', [timeouts.tcp, timeouts.tcpFin, timeouts.udp], options);
  }

  async daemons(options: CallOptions = {}): Promise<readonly Daemon[]> {
    return (await this.#ask('listDaemons', [], options)).map(readDaemon);
  }

  async startDaemon(settings: DaemonSettings, options: CallOptions = {}): Promise<void> {
    await this.#ask('startDaemon', [writeDaemon(settings)], options);
  }

  async stopDaemon(role: DaemonRole, options: CallOptions = {}): Promise<void> {
    await this.#ask('stopDaemon', [daemonStates[role]], options);
  }

  async *connections(options: CallOptions = {}): AsyncGenerator<ConnectionEntry, void, void> {
    const close = (cursor: number): void => {
      // A closed session has closed its files already.
      this.#sender.forget('closeConnections', [cursor]);
    };
    const cursor = await this.#sender.send('openConnections', [], options, close);
    try {
      for (;;) {
        const batch = await this.#sender.send('nextConnections', [cursor], options);
        if (batch.byteLength === 0) return;
        yield* readConnections(batch);
      }
    } finally {
      close(cursor);
    }
  }

  /** Sends a request to the IPVS family, and repeats it if the number of the family has changed. */
  async #ask<Method extends keyof IpvsReplies & keyof NativeIpvsSession>(
    method: Method,
    args: Arguments<NativeIpvsSession, Method>,
    options: CallOptions,
  ): Promise<IpvsReplies[Method]> {
    try {
      return await this.#sender.send(method, args, options);
    } catch (error) {
      if (!(error instanceof KernelFailure) || error.errno !== Errno.ENOENT) throw error;
      if (!(await this.#reloaded(options))) throw error;
      return this.#sender.send(method, args, options);
    }
  }

  /** Returns true if the family number was outdated, which causes ENOENT. EPROTONOSUPPORT if ip_vs was unloaded. */
  async #reloaded(options: CallOptions): Promise<boolean> {
    const before = this.#family;
    this.#family = await this.#sender.send('resolve', [], options);
    return this.#family !== before;
  }
}

function readDaemon(daemon: NativeDaemon): Daemon {
  const { state, interface: name, syncId, maxLength, groupFamily, group, port, ttl } = daemon;
  return {
    role: state === daemonStates.master ? 'master' : 'backup',
    interface: name,
    syncId,
    maxLength,
    group: readAddress(group, 0, groupFamily === AF_INET6 ? 'ipv6' : 'ipv4'),
    port,
    ttl,
  };
}

function writeDaemon(settings: DaemonSettings): NativeDaemon {
  const group = new Uint8Array(16);
  const family = settings.group === undefined ? undefined : familyOf(settings.group);
  if (settings.group !== undefined && family) writeAddress(group, 0, settings.group, family);
  return {
    state: daemonStates[settings.role],
    interface: settings.interface,
    syncId: settings.syncId,
    maxLength: settings.maxLength ?? 0,
    groupFamily: family === undefined ? 0 : familyNumber(family),
    group,
    port: settings.port ?? 0,
    ttl: settings.ttl ?? 0,
  };
}
