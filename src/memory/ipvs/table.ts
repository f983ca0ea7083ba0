import { Errno } from '../../common/errno.js';
import { encodeServer, encodeService } from '../../kernel/ipvs/ids.js';
import {
  type ServerEntry,
  type ServerKey,
  type ServerSettings,
  type ServiceEntry,
  ServiceFlag,
  type ServiceKey,
  type ServiceSettings,
} from '../../kernel/ipvs/types.js';
import { MemoryCounters } from './counters.js';

/** Time after which an unused removed server is forgotten (IP_VS_DEST_TRASH_PERIOD). */
const TRASH_MILLISECONDS = 120_000;

/** A real server, in its service or removed from it. */
export class MemoryServer {
  settings: ServerSettings;
  service: MemoryService;
  readonly counters: MemoryCounters;
  /** True if the server is in its service (IP_VS_DEST_F_AVAILABLE). */
  available = true;
  /** True if the server reached its upper threshold and has not been below the lower one since. */
  overloaded = false;
  active = 0;
  inactive = 0;
  persistent = 0;
  /** Time since which a removed server is unused, in milliseconds of the machine's clock. */
  idleSince = 0;

  constructor(service: MemoryService, settings: ServerSettings, counters: MemoryCounters) {
    this.service = service;
    this.settings = settings;
    this.counters = counters;
  }

  get key(): ServerKey {
    return this.settings.key;
  }

  /** True if the server accepts new connections. */
  get takesMore(): boolean {
    return !this.overloaded && this.settings.weight > 0;
  }

  get used(): boolean {
    return this.active + this.inactive + this.persistent > 0;
  }

  entry(): ServerEntry {
    const { key, forwarding, weight, upperThreshold, lowerThreshold } = this.settings;
    const { tunnelType, tunnelPort, tunnelChecksum } = this.settings;
    // Without `...settings` for speed: that takes five times as long in a table of a hundred thousand servers.
    return {
      key,
      forwarding,
      weight,
      upperThreshold,
      lowerThreshold,
      tunnelType,
      tunnelPort,
      tunnelChecksum,
      knowsTunnels: true,
      activeConnections: this.active,
      inactiveConnections: this.inactive,
      persistentConnections: this.persistent,
      statistics: this.counters.read(),
    };
  }

  /** Checks the upper threshold after a connection was added (ip_vs_bind_dest). */
  checkUpper(): void {
    const { upperThreshold } = this.settings;
    if (upperThreshold !== 0 && this.active + this.inactive >= upperThreshold) this.overloaded = true;
  }

  /** Checks the lower threshold after a connection ended (ip_vs_unbind_dest). */
  checkLower(): void {
    const { upperThreshold, lowerThreshold } = this.settings;
    const total = this.active + this.inactive;
    if (lowerThreshold !== 0) {
      if (total < lowerThreshold) this.overloaded = false;
    } else if (upperThreshold === 0 || total * 4 < upperThreshold * 3) this.overloaded = false;
  }
}

export class MemoryService {
  settings: ServiceSettings;
  readonly counters: MemoryCounters;
  readonly servers = new Map<string, MemoryServer>();
  /** State of the scheduler: the server it selected last, and its current weight. */
  last: MemoryServer | undefined;
  currentWeight = 0;
  #listed: readonly MemoryServer[] | undefined;

  constructor(settings: ServiceSettings, counters: MemoryCounters) {
    this.settings = settings;
    this.counters = counters;
  }

  get persistent(): boolean {
    return (this.settings.flags & ServiceFlag.persistent) !== 0;
  }

  /** Returns the servers in the kernel's order: the newest first (list_add_rcu). */
  listed(): readonly MemoryServer[] {
    this.#listed ??= [...this.servers.values()].reverse();
    return this.#listed;
  }

  put(server: MemoryServer): void {
    this.servers.set(encodeServer(server.key), server);
    this.#listed = undefined;
  }

  remove(server: MemoryServer): void {
    // Round-robin continues after the previous server (ip_vs_rr_del_dest).
    if (this.last === server) this.last = this.listed()[this.listed().indexOf(server) - 1];
    this.servers.delete(encodeServer(server.key));
    this.#listed = undefined;
  }

  entry(): ServiceEntry {
    const { key, scheduler, flags, timeout, netmask, engine } = this.settings;
    return { key, scheduler, flags, timeout, netmask, engine, statistics: this.counters.read() };
  }
}

/** The environment of the table: conditions for services and servers. */
export interface Surroundings {
  /** Returns true if IPVS can send to the address: unicast or local. */
  reaches(address: string): boolean;
  readonly schedulers: ReadonlySet<string>;
  readonly engines: ReadonlySet<string>;
  /** Returns true if a sync daemon runs: then a server must have the family of its service. */
  synchronises(): boolean;
  now(): number;
}

/** The table of services and servers, with the errnos of net/netfilter/ipvs/ip_vs_ctl.c. */
export class MemoryTable {
  readonly services = new Map<string, MemoryService>();
  readonly totals: MemoryCounters;
  /** True once a service has been added: the hash tables exist from then on. */
  hasBegun = false;
  /** Removed servers, by service and server name: a server that is added again gets its connections and counters. */
  readonly #trash = new Map<string, MemoryServer>();
  readonly #busy: Set<MemoryCounters>;
  readonly #around: Surroundings;

  constructor(around: Surroundings, busy: Set<MemoryCounters>) {
    this.#around = around;
    this.#busy = busy;
    this.totals = new MemoryCounters(busy);
  }

  find(key: ServiceKey): MemoryService | undefined {
    return this.services.get(encodeService(key));
  }

  /** Returns the services in the kernel's order: by address, then by fwmark, each the newest first. */
  listed(): MemoryService[] {
    const all = [...this.services.values()].reverse();
    return [
      ...all.filter(({ settings }) => !('fwmark' in settings.key)),
      ...all.filter(({ settings }) => 'fwmark' in settings.key),
    ];
  }

  hasMixedFamilies(): boolean {
    for (const service of this.services.values()) {
      for (const server of service.servers.values()) {
        if (server.key.family !== service.settings.key.family) return true;
      }
    }
    return false;
  }

  newService(settings: ServiceSettings): number {
    const name = encodeService(settings.key);
    if (this.services.has(name)) return Errno.EEXIST;
    const errno = this.#checkService(settings);
    if (errno !== 0) return errno;
    this.services.set(name, new MemoryService(hashed(settings), new MemoryCounters(this.#busy)));
    this.hasBegun = true;
    return 0;
  }

  setService(settings: ServiceSettings): number {
    const service = this.find(settings.key);
    if (!service) return Errno.ESRCH;
    const errno = this.#checkService(settings);
    if (errno !== 0) return errno;
    if (service.settings.scheduler !== settings.scheduler) {
      service.last = undefined;
      service.currentWeight = 0;
    }
    service.settings = hashed(settings);
    return 0;
  }

  deleteService(key: ServiceKey): number {
    const service = this.find(key);
    if (!service) return Errno.ESRCH;
    for (const server of service.listed()) this.#discard(server);
    this.services.delete(encodeService(key));
    return 0;
  }

  flush(): void {
    for (const { settings } of this.listed()) this.deleteService(settings.key);
  }

  newServer(key: ServiceKey, settings: ServerSettings): number {
    const service = this.find(key);
    if (!service) return Errno.ESRCH;
    const errno = this.#checkFamily(service, settings) || checkSettings(settings);
    if (errno !== 0) return errno;
    const name = encodeServer(settings.key);
    if (service.servers.has(name)) return Errno.EEXIST;
    const trashName = `${encodeService(key)} ${name}`;
    const old = this.#trash.get(trashName);
    // The kernel checks the address only if it creates a new server.
    if (!old && !this.#around.reaches(settings.key.address)) return Errno.EINVAL;
    const server = old ?? new MemoryServer(service, settings, new MemoryCounters(this.#busy));
    if (old) {
      this.#trash.delete(trashName);
      if (old.service !== service) old.counters.zero();
      old.service = service;
      old.available = true;
    }
    change(server, settings);
    service.put(server);
    return 0;
  }

  setServer(key: ServiceKey, settings: ServerSettings): number {
    const service = this.find(key);
    if (!service) return Errno.ESRCH;
    const errno = this.#checkFamily(service, settings) || checkSettings(settings);
    if (errno !== 0) return errno;
    const server = service.servers.get(encodeServer(settings.key));
    if (!server) return Errno.ENOENT;
    change(server, settings);
    return 0;
  }

  /** Removes a server; returns an errno, 0 for success. */
  deleteServer(key: ServiceKey, serverKey: ServerKey): number {
    const service = this.find(key);
    if (!service) return Errno.ESRCH;
    const server = service.servers.get(encodeServer(serverKey));
    if (!server) return Errno.ENOENT;
    this.#discard(server);
    service.remove(server);
    return 0;
  }

  zero(key: ServiceKey | undefined): number {
    if (key === undefined) {
      for (const service of this.services.values()) zeroService(service);
      this.totals.zero();
      return 0;
    }
    const service = this.find(key);
    if (!service) return Errno.ESRCH;
    zeroService(service);
    return 0;
  }

  /** Forgets removed servers that have been unused for TRASH_MILLISECONDS. */
  emptyTrash(): void {
    const now = this.#around.now();
    for (const [name, server] of this.#trash) {
      if (server.used) server.idleSince = now;
      else if (now - server.idleSince >= TRASH_MILLISECONDS) this.#trash.delete(name);
    }
  }

  #discard(server: MemoryServer): void {
    server.available = false;
    server.idleSince = this.#around.now();
    this.#trash.set(`${encodeService(server.service.settings.key)} ${encodeServer(server.key)}`, server);
  }

  #checkService({ scheduler, engine, key, netmask }: ServiceSettings): number {
    if (scheduler !== 'none' && !this.#around.schedulers.has(scheduler)) return Errno.ENOENT;
    if (engine !== '' && !this.#around.engines.has(engine)) return Errno.ENOENT;
    return key.family === 'ipv6' && (netmask < 1 || netmask > 128) ? Errno.EINVAL : 0;
  }

  #checkFamily(service: MemoryService, { key, forwarding }: ServerSettings): number {
    if (key.family === service.settings.key.family) return 0;
    return this.#around.synchronises() || forwarding !== 'tunnel' ? Errno.EINVAL : 0;
  }
}

function checkSettings(settings: ServerSettings): number {
  const { weight, upperThreshold, lowerThreshold, forwarding, tunnelType, tunnelPort } = settings;
  if (weight < 0 || lowerThreshold > upperThreshold) return Errno.ERANGE;
  return forwarding === 'tunnel' && tunnelType === 'gue' && tunnelPort === 0 ? Errno.EINVAL : 0;
}

function hashed(settings: ServiceSettings): ServiceSettings {
  return { ...settings, flags: settings.flags | ServiceFlag.hashed };
}

/** Replaces the settings of a server; without tunnel forwarding, resets the tunnel settings. */
function change(server: MemoryServer, settings: ServerSettings): void {
  const { upperThreshold, forwarding } = settings;
  if (upperThreshold === 0 || upperThreshold > server.settings.upperThreshold) server.overloaded = false;
  server.settings =
    forwarding === 'tunnel'
      ? { ...settings }
      : { ...settings, tunnelType: 'ipip', tunnelPort: 0, tunnelChecksum: 'none' };
}

function zeroService(service: MemoryService): void {
  service.counters.zero();
  for (const server of service.servers.values()) server.counters.zero();
}
