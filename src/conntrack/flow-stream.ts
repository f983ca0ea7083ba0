import { flatten } from '../common/flatten.js';
import type { Flow } from '../kernel/conntrack/types.js';
import { untilStable } from './stable.js';

/**
 * A stream of the flows of a table. Reads one batch at a time, when a consumer asks for it. Leaving a
 * loop early ends the reading.
 */
export class FlowStream implements AsyncIterable<Flow> {
  readonly #batches: () => AsyncGenerator<readonly Flow[], void, void>;
  readonly #repeatable: boolean;

  /**
   * @param repeatable true if reading changes nothing, so that it can be repeated
   * @internal
   */
  constructor(batches: () => AsyncGenerator<readonly Flow[], void, void>, repeatable: boolean) {
    this.#batches = batches;
    this.#repeatable = repeatable;
  }

  /** Returns batches of some hundreds of flows: the fastest way to read millions. */
  batches(): AsyncGenerator<readonly Flow[], void, void> {
    return this.#batches();
  }

  /** Returns all flows in one list. Use it for small tables only. Reads an unstable table again. */
  toArray(): Promise<Flow[]> {
    const read = async (): Promise<Flow[]> => {
      const all: Flow[] = [];
      for await (const batch of this.#batches()) all.push(...batch);
      return all;
    };
    return this.#repeatable ? untilStable(read) : read();
  }

  [Symbol.asyncIterator](): AsyncIterator<Flow, undefined> {
    return flatten(this.#batches());
  }
}
