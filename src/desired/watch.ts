import type { IpvsError } from '../kernel/errors.js';
import type { NetworkEventType } from '../kernel/network/types.js';
import type { Item } from '../roles/items.js';
import type { World } from '../roles/world.js';
import type { Plan } from './plan-view.js';
import type { Step } from './step.js';
import type { Target } from './target.js';
import { stateWords } from './words.js';

/** Something that is not as the document says. */
export interface Drift {
  /**
   * `missing`, `changed`: made by the owner, or to be made. `left`: the owner's, and not wanted.
   * `foreign`: others made it within what is the owner's; it stays. `in-the-way`: others made it where the
   * owner wants something else, or what it takes is missing (an interface, a sysctl); nothing is repaired.
   */
  readonly problem: 'missing' | 'changed' | 'left' | 'foreign' | 'in-the-way';
  readonly what: string;
  /** How it is instead; of services and servers in the way also whose they are. */
  readonly is?: string | undefined;
}

/**
 * All that is not as the document says, whenever that changes. The first comes with the first drift; an empty one
 * tells that all is well again, unless a report has told of the repair.
 */
export interface DriftReport {
  readonly drift: readonly Drift[];
  /** What was done about it, if it was to be repaired: also about what has changed since it was looked at. */
  readonly repaired: readonly Step[];
  /** Why it could not be read or repaired; it is tried again. */
  readonly error?: IpvsError | undefined;
}

const problems: Readonly<Partial<Record<Step['action'], Drift['problem']>>> = {
  make: 'missing',
  change: 'changed',
  'take-back': 'left',
  foreign: 'foreign',
  conflict: 'in-the-way',
};

export function driftOf({ steps }: Plan): Drift[] {
  return steps.flatMap((step): Drift[] => {
    const { action, what } = step;
    const is = stateWords(step);
    const problem = problems[action];
    // What went by itself, and is not wanted, is as it should be.
    if (problem === undefined || (problem === 'left' && is === 'gone already')) return [];
    return [is === undefined ? { problem, what } : { problem, what, is }];
  });
}

const linkEvents = ['link-added', 'link-changed', 'link-removed'] as const;
const eventsOf: Readonly<Partial<Record<Item['kind'], readonly NetworkEventType[]>>> = {
  link: linkEvents,
  up: linkEvents,
  // An announcement waits for its link.
  address: ['address-added', 'address-changed', 'address-removed', 'link-changed', 'link-removed'],
  route: ['route-added', 'route-changed', 'route-removed', 'link-removed', 'address-removed'],
  'routing-rule': ['rule-added', 'rule-removed'],
};
/** Milliseconds in which events that come together are seen together. */
const TOGETHER = 50;

/** Tells when something may have changed, where the kernel tells: everything but IPVS. */
export class Waker {
  readonly #abort = new AbortController();
  #wake: () => void = () => {};
  #awake = false;

  /** Without events the interval has to do. */
  async listen(world: World, { items }: Target): Promise<void> {
    const { signal } = this.#abort;
    const owners = items.flatMap((item) => (item.kind === 'netfilter' ? [item.owner] : []));
    const watches = owners.map(async (owner) => (await world.netfilter(owner)).watch({ signal }));
    const types = [...new Set(items.flatMap(({ kind }) => eventsOf[kind] ?? []))];
    const all: Promise<AsyncIterable<unknown>>[] = [
      ...watches,
      ...(types.length > 0 ? [world.network.then((handle) => handle.watch({ signal, types }))] : []),
    ];
    for (const opened of await Promise.allSettled(all))
      if (opened.status === 'fulfilled') void this.#follow(opened.value);
  }

  async #follow(events: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const _ of events) {
        this.#awake = true;
        this.#wake();
      }
    } catch {
      // Closed, or not told any more: the interval has to do.
    }
  }

  /** Until something happens, or the time is over. */
  async wait(world: World, milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const stop = new AbortController();
    const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const slept = world.clock.sleep(milliseconds, both);
    if (!this.#awake) await Promise.race([woken, slept]);
    if (this.#awake) await Promise.race([world.clock.sleep(TOGETHER, both), slept]);
    this.#awake = false;
    stop.abort();
    await slept.catch(() => {});
    signal?.throwIfAborted();
  }

  close(): void {
    this.#abort.abort();
  }
}
