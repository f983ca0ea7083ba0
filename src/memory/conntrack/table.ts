import { Errno } from '../../common/errno.js';
import type { FlowChange, FlowKey, FlowSettings, NatSettings, NewFlowKey } from '../../kernel/conntrack/requests.js';
import type { Tuple } from '../../kernel/conntrack/types.js';
import { type MemoryFlow, nanoseconds, Status, tupleName } from './flow.js';
import { firstState, write, writeLabels } from './write.js';

/** A helper of the kernel: its protocols, and the limits of its expectations per flow. */
export interface MemoryHelper {
  readonly protocols: readonly string[];
  /** Maximum number of expectations per class; a further one replaces the oldest. */
  readonly most: readonly number[];
  /** Timeout of its expectations, in seconds. */
  readonly timeout: number;
}

export const kernelHelpers: ReadonlyMap<string, MemoryHelper> = new Map([
  ['ftp', { protocols: ['tcp'], most: [1], timeout: 300 }],
  ['tftp', { protocols: ['udp'], most: [1], timeout: 300 }],
  ['irc', { protocols: ['tcp'], most: [8], timeout: 300 }],
  ['sip', { protocols: ['tcp', 'udp'], most: [1, 32, 32, 32], timeout: 180 }],
  ['pptp', { protocols: ['tcp'], most: [4], timeout: 300 }],
  ['amanda', { protocols: ['udp'], most: [4], timeout: 180 }],
]);

const settable = Status.seenReply | Status.assured | Status.fixedTimeout | Status.helper;
const natProtocols: readonly unknown[] = ['tcp', 'udp', 'udplite', 'sctp', 'dccp'];

/** Settings of the namespace that the table reads. */
export interface TableSettings {
  readonly maximum: () => number;
  readonly accounting: () => boolean;
  readonly timestamps: () => boolean;
  /** Returns true if listeners get the events of a flow that begins now. */
  readonly told: () => boolean;
  readonly labels: () => boolean;
  readonly now: () => number;
}

export type FlowNews = (type: 'new' | 'update' | 'destroy', flow: MemoryFlow) => void;

/** The flows of one namespace, with the errnos of net/netfilter/nf_conntrack_netlink.c. */
export class MemoryFlowTable {
  /** Flows by both of their tuples: the kernel finds a flow by either. */
  readonly #byTuple = new Map<string, MemoryFlow>();
  readonly #flows = new Set<MemoryFlow>();
  readonly #settings: TableSettings;
  readonly #news: FlowNews;
  #lastId = 0x10000000;
  /** Lower bound for the time of the next expiry. */
  #earliest = Number.POSITIVE_INFINITY;
  readonly counts = { found: 0, insert: 0, insertFailed: 0, drop: 0 };

  constructor(settings: TableSettings, news: FlowNews) {
    this.#settings = settings;
    this.#news = news;
  }

  get size(): number {
    return this.#flows.size;
  }

  flows(): Iterable<MemoryFlow> {
    this.expire();
    return this.#flows;
  }

  find(key: FlowKey): MemoryFlow | undefined {
    const tuple = key.original ?? key.reply;
    if (!tuple) return undefined;
    const flow = this.#byTuple.get(tupleName(tuple, key.zone ?? 0));
    if (!flow || flow.expires > this.#settings.now()) return flow;
    this.remove(flow);
    return undefined;
  }

  apply(change: FlowChange): number {
    switch (change.verb) {
      case 'create':
        return this.create(change.key, change.settings);
      case 'update':
        return this.#update(change.key, change.settings);
      case 'delete': {
        const flow = this.find(change.key);
        if (!flow || (change.key.id !== undefined && change.key.id !== flow.id)) return Errno.ENOENT;
        this.remove(flow);
        return 0;
      }
    }
  }

  create(key: NewFlowKey, settings: FlowSettings): number {
    const { original, zone = 0 } = key;
    if (this.find({ original, zone })) return Errno.EEXIST;
    if (original.protocol !== key.reply.protocol) return Errno.EINVAL;
    const { maximum, now, accounting, timestamps, told, labels } = this.#settings;
    if (maximum() > 0 && this.size >= maximum()) {
      this.counts.drop++;
      return Errno.ENOMEM;
    }
    if (settings.helper !== undefined && !helps(settings.helper, original)) return Errno.EOPNOTSUPP;
    const { reply, status } = this.#translated(key, settings);
    const bits = settings.statusBits ?? Status.confirmed;
    if (((bits ^ Status.confirmed) & (Status.expected | Status.confirmed | Status.dying)) !== 0) return Errno.EBUSY;
    const master = settings.master && this.find({ original: settings.master, zone });
    const hasHelp = settings.helper !== undefined;
    const extra = (hasHelp ? Status.helper : 0) | (master ? Status.expected : 0);
    const flow: MemoryFlow = {
      original,
      reply,
      zone,
      id: this.#nextId(),
      statusBits: Status.confirmed | (bits & settable) | status | extra,
      mark: 0,
      expires: now() + (settings.timeout ?? 0) * 1000,
      state: firstState(original),
      counters: accounting() ? noCounters() : undefined,
      started: timestamps() ? nanoseconds(now()) : undefined,
      labels: labels() ? new Uint8Array(16) : undefined,
      hasHelp,
      helper: settings.helper,
      tcp: undefined,
      sctp: undefined,
      dccp: undefined,
      master,
      sequenceAdjustment: undefined,
      synproxy: undefined,
      told: told(),
    };
    const errno = write(flow, settings);
    if (errno !== 0) return errno;
    if (settings.master && !master) return Errno.ENOENT;
    if (this.find({ original: reply, zone })) {
      this.counts.insertFailed++;
      return Errno.EEXIST;
    }
    writeLabels(flow, settings); // ignored if the flow cannot have labels
    this.#flows.add(flow);
    this.#byTuple.set(tupleName(original, zone), flow);
    this.#byTuple.set(tupleName(reply, zone), flow);
    this.#earliest = Math.min(this.#earliest, flow.expires);
    this.counts.insert++;
    this.#news('new', flow);
    return 0;
  }

  remove(flow: MemoryFlow): void {
    if (!this.#flows.delete(flow)) return;
    this.#byTuple.delete(tupleName(flow.original, flow.zone));
    this.#byTuple.delete(tupleName(flow.reply, flow.zone));
    flow.statusBits |= Status.dying;
    this.#news('destroy', flow);
  }

  /** Removes the expired flows. */
  expire(): void {
    const now = this.#settings.now();
    if (this.#earliest > now) return;
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const flow of this.#flows) {
      if (flow.expires <= now) this.remove(flow);
      else this.#earliest = Math.min(this.#earliest, flow.expires);
    }
  }

  /** Sets the time of expiry of a flow, in milliseconds of the machine's clock. */
  setExpiry(flow: MemoryFlow, expires: number): void {
    flow.expires = expires;
    this.#earliest = Math.min(this.#earliest, expires);
  }

  /** Changes a flow in the order of ctnetlink_change_conntrack: what precedes a rejected field stays written. */
  #update(key: FlowKey, settings: FlowSettings): number {
    const flow = this.find(key);
    if (!flow) return Errno.ENOENT;
    const { natSource, natDestination, master, helper, timeout, statusBits } = settings;
    if (natSource || natDestination || master) return Errno.EOPNOTSUPP;
    if (helper !== undefined) {
      const errno = changeHelper(flow, helper);
      if (errno !== 0) return errno;
    }
    if (timeout !== undefined) {
      if ((flow.statusBits & Status.fixedTimeout) !== 0) return Errno.EPERM;
      this.setExpiry(flow, this.#settings.now() + timeout * 1000);
    }
    if (statusBits !== undefined) {
      const changed = flow.statusBits ^ statusBits;
      if ((changed & (Status.expected | Status.confirmed | Status.dying)) !== 0) return Errno.EBUSY;
      if ((changed & ~statusBits & (Status.seenReply | Status.assured)) !== 0) return Errno.EBUSY;
      flow.statusBits |= statusBits & settable;
    }
    const errno = write(flow, settings);
    if (errno !== 0) return errno;
    if (settings.labels && !flow.labels) return Errno.ENOSPC;
    writeLabels(flow, settings);
    this.#news('update', flow);
    return 0;
  }

  /** Returns the reply tuple of a translated flow, and the status bits of the translation (nf_nat_setup_info). */
  #translated(key: NewFlowKey, { natSource, natDestination }: FlowSettings): { reply: Tuple; status: number } {
    if (!natSource && !natDestination) return { reply: key.reply, status: 0 };
    const { original, zone = 0 } = key;
    let { source, destination, sourcePort, destinationPort } = key.reply;
    if (natDestination) {
      source = natDestination.address[0];
      sourcePort = translatedPort(natDestination, sourcePort);
    }
    if (natSource) destination = natSource.address[0];
    const ports = natProtocols.includes(original.protocol);
    const reply = (port: number | undefined): Tuple => ({
      ...key.reply,
      source,
      destination,
      ...(sourcePort !== undefined && { sourcePort }),
      ...(port !== undefined && { destinationPort: port }),
    });
    // Two flows must not have the same reply: the kernel chooses another source port, even without a port range.
    if (ports && destinationPort !== undefined) {
      const [first, last] = natSource?.port ?? (natSource ? [1024, 65535] : [destinationPort, 65535]);
      const inRange = !natSource?.port || (destinationPort >= first && destinationPort <= last);
      const free = (port: number): boolean => !this.#byTuple.has(tupleName(reply(port), zone));
      if (!inRange || !free(destinationPort)) {
        let port = first;
        while (port < last && !free(port)) port++;
        destinationPort = port;
      }
    }
    const moved = destination !== original.source || destinationPort !== original.sourcePort;
    const changed = source !== original.destination || sourcePort !== original.destinationPort;
    const status = Status.natDone | (moved ? Status.sourceNat : 0) | (changed ? Status.destinationNat : 0);
    return { reply: reply(destinationPort), status };
  }

  #nextId(): number {
    // Ids look random, like the kernel's.
    this.#lastId = (Math.imul(this.#lastId, 1664525) + 1013904223) >>> 0;
    return this.#lastId;
  }
}

function translatedPort({ port }: NatSettings, current: number | undefined): number | undefined {
  if (!port || current === undefined) return current;
  return current >= port[0] && current <= port[1] ? current : port[0];
}

function helps(name: string, { protocol }: Tuple): boolean {
  return kernelHelpers.get(name)?.protocols.includes(String(protocol)) ?? false;
}

function changeHelper(flow: MemoryFlow, name: string): number {
  if (flow.master) return flow.helper === name ? 0 : Errno.EBUSY;
  if (name === '') {
    flow.helper = undefined;
    return 0;
  }
  if (!helps(name, flow.original) || !flow.hasHelp) return Errno.EOPNOTSUPP;
  return flow.helper === name ? 0 : Errno.EBUSY;
}

export function noCounters(): NonNullable<MemoryFlow['counters']> {
  return { original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } };
}
