import type { Flow } from '../kernel/conntrack/types.js';
import { flatten } from './flatten.js';
import { untilStable } from './stable.js';

/**
 * The flows of a table, as they are received: a piece at a time, and no more of it than somebody
 * asks for. Breaking off a loop ends the reading.
 */
export class FlowStream implements AsyncIterable<Flow> {
  readonly #batches: () => AsyncGenerator<readonly Flow[], void, void>;
  readonly #repeatable: boolean;

  /**
   * @param repeatable whether reading changes nothing, so that it can be repeated
   * @internal
   */
  constructor(batches: () => AsyncGenerator<readonly Flow[], void, void>, repeatable: boolean) {
    this.#batches = batches;
    this.#repeatable = repeatable;
  }

  /** Some hundreds of flows at a time: the fastest way to look at millions. */
  batches(): AsyncGenerator<readonly Flow[], void, void> {
    return this.#batches();
  }

  /** All of them in one list: only for tables that are known to be small. Reads an unstable table again. */
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
