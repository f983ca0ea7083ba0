import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import type { ConntrackPort, EventPort } from '../../kernel/conntrack/port.js';
import type {
  EventSettings,
  ExpectationSettings,
  FilterSettings,
  FlowChange,
  FlowKey,
  ProcessorCounters,
} from '../../kernel/conntrack/requests.js';
import type {
  ConntrackEvent,
  Expectation,
  Flow,
  FlowGroup,
  FlowList,
  GroupField,
} from '../../kernel/conntrack/types.js';
import { familyNumber } from '../../kernel/families.js';
import type { ConntrackReplies, NativeConntrackSession } from '../addon.js';
import type { Sender } from '../requests.js';
import { SessionFiles } from '../session-files.js';
import { groupBits } from './layout.js';
import {
  allGroups,
  largestGroups,
  readEvents,
  readExpectations,
  readFlows,
  readGroups,
  readProcessorCounters,
} from './read.js';
import { writeExpectation, writeFilter, writeFlowChanges, writeFlowKeys } from './write.js';

type Session = Sender<NativeConntrackSession, ConntrackReplies>;

/** Number of objects created in one turn of the event loop. */
const SOME = 2000;

/** The message that starts the dump of a list (IPCTNL_MSG_CT_*). */
const lists = { live: 1, dying: 6 } as const;

/** Returns the number of a family; 0 (AF_UNSPEC) for both. */
function numberOf(family: Family | undefined): number {
  return family === undefined ? 0 : familyNumber(family);
}

/** Connection tracking through the addon. */
export class NativeConntrackPort extends SessionFiles implements ConntrackPort {
  readonly #sender: Session;

  constructor(sender: Session) {
    super(sender);
    this.#sender = sender;
  }

  async flow(key: FlowKey, options: CallOptions = {}): Promise<Flow> {
    const { flows } = readFlows(await this.#sender.send('get', [writeFlowKeys([key])], options));
    const [flow] = flows;
    if (!flow) throw new KernelFailure(Errno.EBADMSG, 'no flow in the reply');
    return flow;
  }

  async *flows(
    filter: FilterSettings,
    list: FlowList,
    options: CallOptions = {},
  ): AsyncGenerator<readonly Flow[], void, void> {
    // A closed session has closed its dumps already.
    const close = (cursor: number): void => this.#sender.forget('closeFlows', [cursor]);
    const cursor = await this.#sender.send('openFlows', [writeFilter(filter), lists[list]], options, close);
    // Receives one batch while the consumer processes the one before.
    const next = (): Promise<ArrayBuffer> => {
      const piece = this.#sender.send('nextFlows', [cursor], options);
      piece.catch(() => {}); // awaited later, unless the loop ends first
      return piece;
    };
    try {
      let ahead = next();
      for (;;) {
        const { flows, more } = readFlows(await ahead);
        if (more) ahead = next();
        yield flows;
        if (!more) return;
      }
    } finally {
      close(cursor);
    }
  }

  async zero(keys: readonly FlowKey[], options: CallOptions = {}): Promise<readonly Flow[]> {
    if (keys.length === 0) return [];
    return readFlows(await this.#sender.send('zero', [writeFlowKeys(keys)], options)).flows;
  }

  async groups(
    filter: FilterSettings,
    by: readonly GroupField[],
    largest?: { readonly count: number; readonly order: 'bytes' | 'packets' | 'flows' },
    options: CallOptions = {},
  ): Promise<readonly FlowGroup[]> {
    const fields = by.reduce((all, field) => all | groupBits[field], 0);
    const buffer = await this.#sender.send('aggregate', [writeFilter(filter), fields], options);
    const places = largest ? largestGroups(buffer, largest.count, largest.order) : allGroups(buffer);
    const groups: FlowGroup[] = [];
    for (let from = 0; from < places.length; from += SOME) {
      if (from > 0) await new Promise((resolve) => setImmediate(resolve)); // lets the event loop run
      groups.push(...readGroups(buffer, by, places.slice(from, from + SOME)));
    }
    return groups;
  }

  async apply(changes: readonly FlowChange[], options: CallOptions = {}): Promise<ArrayLike<number>> {
    return changes.length === 0 ? [] : this.#sender.send('apply', [writeFlowChanges(changes)], options);
  }

  async flush(family: Family | undefined, options: CallOptions = {}): Promise<void> {
    await this.#sender.send('flush', [numberOf(family)], options);
  }

  async counters(options: CallOptions = {}): Promise<readonly ProcessorCounters[]> {
    return readProcessorCounters(await this.#sender.send('processorStatistics', [], options));
  }

  async expectationCounters(options: CallOptions = {}): Promise<readonly ProcessorCounters[]> {
    return readProcessorCounters(await this.#sender.send('expectationStatistics', [], options));
  }

  total(options: CallOptions = {}): Promise<{ readonly entries: number; readonly maximum?: number }> {
    return this.#sender.send('globalStatistics', [], options);
  }

  async expectations(family: Family | undefined, options: CallOptions = {}): Promise<readonly Expectation[]> {
    return readExpectations(await this.#sender.send('listExpectations', [numberOf(family)], options));
  }

  async createExpectation(expectation: ExpectationSettings, options: CallOptions = {}): Promise<void> {
    await this.#sender.send('createExpectation', [writeExpectation(expectation)], options);
  }

  async deleteExpectation(key: Pick<Expectation, 'tuple' | 'zone' | 'id'>, options: CallOptions = {}): Promise<void> {
    await this.#sender.send('deleteExpectation', [writeExpectation(key)], options);
  }

  async flushExpectations(options: CallOptions = {}): Promise<void> {
    await this.#sender.send('flushExpectations', [], options);
  }

  async events(filter: FilterSettings, settings: EventSettings, options: CallOptions = {}): Promise<EventPort> {
    const flags = [
      settings.created,
      settings.updated,
      settings.destroyed,
      settings.expectations,
      settings.reliable,
      settings.resynchronise,
    ].reduce((all, on, bit) => all | (on ? 1 << bit : 0), 0);
    const args = [writeFilter(filter), flags, settings.receiveBuffer, settings.interval] as const;
    const discard = (opened: { cursor: number }): void => this.#sender.forget('closeEvents', [opened.cursor]);
    const { cursor, receiveBuffer } = await this.#sender.send('openEvents', [...args], options, discard);
    return new NativeEventPort(this.#sender, cursor, receiveBuffer);
  }
}

class NativeEventPort implements EventPort {
  readonly receiveBuffer: number;
  readonly #sender: Session;
  readonly #cursor: number;

  constructor(sender: Session, cursor: number, receiveBuffer: number) {
    this.#sender = sender;
    this.#cursor = cursor;
    this.receiveBuffer = receiveBuffer;
  }

  async next(options: CallOptions = {}): Promise<readonly ConntrackEvent[]> {
    // A stream without events is no failure, so the default is no timeout.
    const patient = { timeout: Number.POSITIVE_INFINITY, ...options };
    return readEvents(await this.#sender.send('nextEvents', [this.#cursor], patient));
  }

  async close(): Promise<void> {
    const patient = { timeout: Number.POSITIVE_INFINITY };
    // A closed session has closed its streams already.
    await this.#sender.send('closeEvents', [this.#cursor], patient).catch(() => {});
  }
}
