import type { IpvsError } from '../common/errors.js';
import type { WatchSource } from '../common/watch.js';
import type { Item } from '../items/items.js';
import type { World } from '../items/world.js';
import type { NetworkEventType } from '../kernel/network/types.js';
import type { Difference } from './difference.js';
import type { Target } from './document/target.js';
import type { Step } from './plan/step.js';

/**
 * All differences from the document, reported whenever they change. The first report has the first differences. An
 * empty one reports that none is left, unless an earlier report has reported the repair.
 */
export interface DriftReport {
  /** Differences at the time of the read, in the order of the plan. */
  readonly drift: readonly Difference[];
  /** Steps that repaired the differences, also for changes since they were read. Empty without `repair`. */
  readonly repaired: readonly Step[];
  /** Reason why the state could not be read or repaired; the watch retries. */
  readonly error?: IpvsError | undefined;
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
/** Time in which consecutive events count as one, in milliseconds. */
const TOGETHER = 50;

/** Wakes the watch when the kernel reports a change: of everything but IPVS. */
export class Waker {
  readonly #abort = new AbortController();
  #wake: () => void = () => {};
  #awake = false;

  /** Subscribes to the events. Without them the interval has to suffice. */
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
      // The stream was closed or failed: the interval has to suffice.
    }
  }

  /** Waits until something happens, or the time is over. */
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

/** Drift reports of a generator, which ends when its signal aborts. */
export class DriftSource implements WatchSource<DriftReport> {
  readonly #abort = new AbortController();
  readonly #waker: Waker;
  readonly #reports: AsyncGenerator<DriftReport, void, void>;
  #reading: Promise<IteratorResult<DriftReport, void>> | undefined;

  constructor(waker: Waker, read: (closed: AbortSignal) => AsyncGenerator<DriftReport, void, void>) {
    this.#waker = waker;
    this.#reports = read(this.#abort.signal);
  }

  async next(): Promise<readonly DriftReport[] | undefined> {
    this.#reading = this.#reports.next();
    const { done, value } = await this.#reading;
    return done ? undefined : [value];
  }

  /** Ends a read that waits. Completes a repair that has started. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#waker.close();
    await this.#reading;
  }
}
