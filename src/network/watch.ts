import { checkList, checkOneOf, checkOptions } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import type { NetworkEventPort } from '../kernel/network/port.js';
import type { NetworkEvent, NetworkEventType } from '../kernel/network/types.js';
import { translate } from './errors.js';

export interface NetworkWatchOptions {
  /** Types of events to report. Default: all. */
  readonly types?: readonly NetworkEventType[] | undefined;
}

const names: readonly NetworkEventType[] = [
  'link-added',
  'link-changed',
  'link-removed',
  'address-added',
  'address-changed',
  'address-removed',
  'route-added',
  'route-changed',
  'route-removed',
  'rule-added',
  'rule-removed',
  'neighbour-changed',
  'neighbour-removed',
  'forwarding-entry-changed',
  'forwarding-entry-removed',
];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkTypes(options: NetworkWatchOptions): readonly NetworkEventType[] {
  checkOptions('a watch', options, ['types', 'signal', 'timeout']);
  const { types = names } = options;
  if (checkList('types', types, limits.names).length === 0)
    throw invalid('types is a list of at least one type of events');
  return types.map((type) => checkOneOf('types', type, names));
}

/**
 * A stream of events, from when it was opened. The kernel drops events that are not read in time; an `overrun` item
 * reports it. Only one loop at a time can read it. The loop keeps the process alive while it waits, and leaving it
 * closes the watch.
 */
export class NetworkWatch implements AsyncIterable<NetworkEvent> {
  readonly #port: NetworkEventPort;
  readonly #signal: AbortSignal | undefined;
  #closed = false;
  #looping = false;

  /** @internal */
  constructor(port: NetworkEventPort, signal: AbortSignal | undefined) {
    this.#port = port;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): AsyncIterator<NetworkEvent, undefined> {
    const events = this.#events();
    return {
      next: () => events.next() as Promise<IteratorResult<NetworkEvent, undefined>>,
      return: async () => {
        // Close first, so that a waiting loop ends.
        this.close();
        await events.return();
        return { done: true, value: undefined };
      },
    };
  }

  async *#events(): AsyncGenerator<NetworkEvent, void, void> {
    if (this.#closed) return;
    if (this.#looping) throw invalid('a watch has one loop; open another for another');
    this.#looping = true;
    try {
      while (!this.#closed) yield* await this.#port.next(this.#signal);
    } catch (error) {
      if (this.#closed) return;
      throw translate({ command: 'watch', action: 'watch', object: 'the network' }, error);
    } finally {
      this.close();
    }
  }

  /** Closes the watch, and ends a loop that waits. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#port.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
