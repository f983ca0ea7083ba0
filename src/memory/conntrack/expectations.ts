import { Errno } from '../../common/errno.js';
import type { ExpectationSettings } from '../../kernel/conntrack/requests.js';
import type { Expectation, Tuple } from '../../kernel/conntrack/types.js';
import { type MemoryFlow, tupleName } from './flow.js';
import { kernelHelpers, type MemoryFlowTable } from './table.js';

interface Entry {
  readonly settings: ExpectationSettings;
  readonly id: number;
  readonly master: MemoryFlow;
  readonly helper: string | undefined;
  readonly expires: number;
}

/** The kernel's functions for expected flows (`nf_ct_helper_expectfn`). */
const functions = new Set(['nat-follow-master', 'Q.931', 'callforwarding', 'sip']);
/** Mask of the flags that a program may set; `NF_CT_EXPECT_USERSPACE` is reserved for the kernel. */
const FLAGS = 3;

/** The expectations of one namespace, with the errnos of net/netfilter/nf_conntrack_netlink.c. */
export class MemoryExpectations {
  readonly #entries = new Map<string, Entry>();
  readonly #flows: MemoryFlowTable;
  readonly #now: () => number;
  readonly #news: (type: 'expectation-new' | 'expectation-destroy', expectation: Expectation) => void;
  #lastId = 0x20000000;
  readonly counts = { create: 0, delete: 0 };

  constructor(
    flows: MemoryFlowTable,
    now: () => number,
    news: (type: 'expectation-new' | 'expectation-destroy', expectation: Expectation) => void,
  ) {
    this.#flows = flows;
    this.#now = now;
    this.#news = news;
  }

  list(family: Tuple['family'] | undefined): Expectation[] {
    const wanted = [...this.#entries.values()].filter(
      ({ settings }) => family === undefined || settings.tuple.family === family,
    );
    return wanted.map((entry) => this.#show(entry));
  }

  create(settings: ExpectationSettings): number {
    const { tuple, zone, class: number } = settings;
    const name = tupleName(tuple, zone);
    if (this.#entries.has(name)) return Errno.EEXIST;
    const master = this.#flows.find({ original: settings.master, zone });
    if (!master) return Errno.ENOENT;
    if (!master.hasHelp) return Errno.EOPNOTSUPP;
    const helper = master.helper === undefined ? undefined : kernelHelpers.get(master.helper);
    if (helper && number >= helper.most.length) return Errno.EINVAL;
    if (settings.function !== undefined && !functions.has(settings.function)) return Errno.EINVAL;
    const siblings = [...this.#entries.values()].filter(
      (entry) => entry.master === master && entry.settings.class === number,
    );
    const [oldest] = siblings;
    if (oldest && siblings.length >= (helper?.most[number] ?? Number.POSITIVE_INFINITY)) this.#remove(oldest);
    this.#lastId = (Math.imul(this.#lastId, 1664525) + 1013904223) >>> 0;
    const entry: Entry = {
      settings,
      id: this.#lastId,
      master,
      helper: master.helper,
      expires: this.#now() + (helper?.timeout ?? settings.timeout) * 1000,
    };
    this.#entries.set(name, entry);
    this.counts.create++;
    this.#tell('expectation-new', entry);
    return 0;
  }

  delete({ tuple, zone, id }: Pick<Expectation, 'tuple' | 'zone' | 'id'>): number {
    const entry = this.#entries.get(tupleName(tuple, zone));
    // The library does not send an id of 0.
    if (!entry || (id !== 0 && id !== entry.id)) return Errno.ENOENT;
    this.#remove(entry);
    return 0;
  }

  flush(): void {
    for (const entry of this.#entries.values()) this.#remove(entry);
  }

  /** Removes the expectations of a flow that has ended. */
  flowEnded(flow: MemoryFlow): void {
    if (!flow.hasHelp) return;
    for (const entry of this.#entries.values()) if (entry.master === flow) this.#remove(entry);
  }

  expire(): void {
    for (const entry of this.#entries.values()) if (entry.expires <= this.#now()) this.#remove(entry);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(tupleName(entry.settings.tuple, entry.settings.zone));
    this.counts.delete++;
    this.#tell('expectation-destroy', entry);
  }

  /** Reports an event, unless the master flow began without a listener (nf_conntrack_ecache.c). */
  #tell(type: 'expectation-new' | 'expectation-destroy', entry: Entry): void {
    if (entry.master.told) this.#news(type, this.#show(entry));
  }

  #show({ settings, id, master, helper, expires }: Entry): Expectation {
    const { helper: _, nat, ...rest } = settings;
    return {
      ...rest,
      master: master.original,
      id,
      flags: settings.flags & FLAGS,
      timeout: Math.max(0, Math.floor((expires - this.#now()) / 1000)),
      ...(helper !== undefined && { helper }),
      ...(nat && { nat: { direction: nat.direction, tuple: savedNat(nat.tuple) } }),
    };
  }
}

/** Returns the part that the kernel keeps: only the source (saved_addr, saved_proto). */
function savedNat(tuple: Tuple): Tuple {
  const none = tuple.family === 'ipv6' ? '::' : '0.0.0.0';
  return {
    ...tuple,
    destination: none,
    ...(tuple.destinationPort !== undefined && { destinationPort: 0 }),
  };
}
