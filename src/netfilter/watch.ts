import type { WatchSource } from '../common/watch.js';
import type { NftRulesetListener } from '../kernel/netfilter/port.js';

/** A change of the table, or the loss of changes. */
export type NetfilterEvent =
  | {
      /** The table was changed, by any program. */
      readonly type: 'change';
      /**
       * Generation after the change, as in `nft monitor`: a 32-bit number that every commit of any program in the
       * namespace increments.
       */
      readonly generation: number;
      /** Thread that made the change. */
      readonly process: {
        /** Id of the thread, as seen from the initial pid namespace. */
        readonly pid: number;
        /** Name of the thread, up to 15 characters. Threads of this library are named `ipvs-io`. */
        readonly name: string;
      };
    }
  | {
      /** The kernel dropped events because they were not read in time (ENOBUFS): read the table again. */
      readonly type: 'overrun';
    };

/** Changes of one table, from a listener that reports those of all tables. */
export class TableEvents implements WatchSource<NetfilterEvent> {
  readonly #listener: NftRulesetListener;
  readonly #table: string;

  constructor(listener: NftRulesetListener, table: string) {
    this.#listener = listener;
    this.#table = table;
  }

  async next(signal: AbortSignal | undefined): Promise<readonly NetfilterEvent[]> {
    const { events, overrun } = await this.#listener.next(signal);
    const changes = events.flatMap(({ generation, process, tables }): NetfilterEvent[] =>
      tables.has(this.#table) ? [{ type: 'change', generation, process }] : [],
    );
    return overrun ? [{ type: 'overrun' }, ...changes] : changes;
  }

  close(): void {
    this.#listener.close();
  }
}
