import { checkCallOptions, checkList, show } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { IpvsError, invalid, KernelFailure } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { type Result, resultsOf } from '../common/result.js';
import type { CallOptions } from '../kernel/call.js';
import { describeFlow } from '../kernel/conntrack/line.js';
import type { FlowChange } from '../kernel/conntrack/requests.js';
import type { Flow } from '../kernel/conntrack/types.js';
import type { Context } from './context.js';
import { errorFor, type Request, translate } from './errors.js';
import { type ConntrackChange, checkChange, creation, type FlowOptions } from './flow-options.js';
import { flowKeyOf } from './flow-stream.js';
import { isPartOfGroup, wholeGroup } from './protocol-groups.js';
import { untilStable } from './stable.js';

/** The outcome of {@link Conntrack.createAll}. */
export interface CreatedFlows {
  /** Number of flows that were created. */
  readonly created: number;
  /** The flows that were not created, in the order in which they failed. */
  readonly failures: readonly {
    /** The flow as the iterable returned it. */
    readonly flow: FlowOptions;
    /** The error that {@link Conntrack.create} would throw. */
    readonly error: IpvsError;
  }[];
}

/** Number of changes in one request. Two requests are under way at a time. */
const BATCH = 512;

const commands = { create: 'NEW', update: 'UPDATE', delete: 'DELETE' } as const;

function requestOf(change: FlowChange): Request {
  return { command: commands[change.verb], action: `${change.verb} flow`, object: describeFlow(change.key) };
}

/** Keeps two requests under way: it encodes the next one while the kernel executes the one before. */
class Pipeline {
  #before: Promise<void> = Promise.resolve();

  async push(send: () => Promise<void>): Promise<void> {
    const under = send();
    under.catch(() => {}); // the next push() or end() awaits it
    await this.#before;
    this.#before = under;
    await new Promise((resolve) => setImmediate(resolve)); // lets the event loop run
  }

  async end(): Promise<void> {
    await this.#before;
  }
}

type Update = Extract<FlowChange, { verb: 'update' }>;

function needsReading(change: FlowChange): change is Update {
  if (change.verb !== 'update') return false;
  const { key, settings } = change;
  return settings.statusBits !== undefined || key.id !== undefined || isPartOfGroup(key, settings);
}

/** Yields the items of an iterable. An abort ends the wait for the next item. */
async function* untilAborted<T>(
  items: Iterable<T> | AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, void> {
  if (!signal || !(Symbol.asyncIterator in items)) {
    yield* items;
    return;
  }
  const iterator = items[Symbol.asyncIterator]();
  // Avoids Promise.race: a promise that is raced a million times keeps a million reactions.
  let giveUp: (reason: unknown) => void = () => {};
  const onAbort = (): void => giveUp(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const item = await new Promise<IteratorResult<T>>((resolve, reject) => {
        giveUp = reject;
        iterator.next().then(resolve, reject);
      });
      if (item.done) return;
      yield item.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    iterator.return?.().catch(() => {}); // it may never settle
  }
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, with the index of the change */
export function checkChanges(changes: readonly ConntrackChange[]): FlowChange[] {
  return checkList('changes', changes).map((change, index) => {
    try {
      return checkChange(change);
    } catch (error) {
      throw error instanceof IpvsError ? invalid(`change ${index}: ${error.message}`) : error;
    }
  });
}

/** Applies changes to flows, one or many. */
export class Changes {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async one(change: FlowChange, options?: CallOptions): Promise<void> {
    const [result] = await this.all([change], options);
    if (result && !result.ok) throw result.error;
  }

  async all(changes: readonly FlowChange[], options?: CallOptions): Promise<Result[]> {
    checkCallOptions(options);
    const errors = new Array<IpvsError | undefined>(changes.length).fill(undefined);
    const pipeline = new Pipeline();
    let batch: { change: FlowChange; index: number }[] = [];
    const flush = (): Promise<void> => {
      const sent = batch;
      batch = [];
      return pipeline.push(async () => {
        const errnos = await this.#send(
          sent.map(({ change }) => change),
          options,
        );
        sent.forEach(({ change, index }, place) => {
          const errno = errnos[place] ?? Errno.EBADMSG;
          if (errno !== 0) errors[index] = errorFor(requestOf(change), errno);
        });
      });
    };
    for (const [index, change] of changes.entries()) {
      let whole: FlowChange | undefined = change;
      if (needsReading(change)) {
        // Completes all earlier changes first, so that the flow is read after them.
        if (batch.length > 0) await flush();
        await pipeline.end();
        whole = await this.#completed(change, index, errors, options);
      }
      if (whole) batch.push({ change: whole, index });
      if (batch.length === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
    await pipeline.end();
    return resultsOf(errors);
  }

  /**
   * Reads the flow and adds the values that the kernel stores as a whole: the status bits that are already
   * set, and the rest of a protocol's group. Compares the id, which the kernel ignores in an update.
   * Reading and writing are two requests: a packet in between may change the flow.
   */
  async #completed(
    change: Update,
    index: number,
    errors: (IpvsError | undefined)[],
    options: CallOptions | undefined,
  ): Promise<FlowChange | undefined> {
    const { key, settings } = change;
    try {
      const flow = await this.#context.port.flow(key, options);
      if (key.id !== undefined && key.id !== flow.id) throw new KernelFailure(Errno.ENOENT, 'it has another id');
      const { statusBits } = settings;
      const status = statusBits === undefined ? {} : { statusBits: statusBits | flow.statusBits };
      return { verb: 'update', key, settings: { ...settings, ...status, ...wholeGroup(flow, settings) } };
    } catch (error) {
      if (!(error instanceof KernelFailure)) throw translate(requestOf(change), error);
      errors[index] = errorFor(requestOf(change), error.errno, error.message);
      return undefined;
    }
  }

  async #send(changes: readonly FlowChange[], options: CallOptions | undefined): Promise<ArrayLike<number>> {
    if (changes.length === 0) return [];
    try {
      return await this.#context.port.apply(changes, options);
    } catch (error) {
      const [first] = changes;
      const request =
        changes.length === 1 && first
          ? requestOf(first)
          : ({ command: 'UPDATE', action: 'apply', object: `${changes.length} changes` } as const);
      throw translate(request, error);
    }
  }

  async createAll(
    flows: Iterable<FlowOptions> | AsyncIterable<FlowOptions>,
    options?: CallOptions,
  ): Promise<CreatedFlows> {
    const iterable = typeof flows === 'object' && flows !== null;
    if (!iterable || !(Symbol.iterator in flows || Symbol.asyncIterator in flows))
      throw invalid(`createAll takes an iterable of flows, not ${show(flows)}`);
    checkCallOptions(options);
    let created = 0;
    const failures: { flow: FlowOptions; error: IpvsError }[] = [];
    const pipeline = new Pipeline();
    let batch: FlowOptions[] = [];
    let changes: FlowChange[] = [];
    const flush = (): Promise<void> => {
      const [flowsSent, changesSent] = [batch, changes];
      [batch, changes] = [[], []];
      return pipeline.push(async () => {
        const errnos = await this.#send(changesSent, options);
        changesSent.forEach((change, place) => {
          const errno = errnos[place] ?? Errno.EBADMSG;
          const flow = flowsSent[place];
          if (errno === 0) created++;
          else if (flow) failures.push({ flow, error: errorFor(requestOf(change), errno) });
        });
      });
    };
    let seen = 0;
    for await (const flow of untilAborted(flows, options?.signal)) {
      if (++seen % BATCH === 0) {
        // Invalid flows fill no batch: an endless series of them must not block the event loop or fill the heap.
        options?.signal?.throwIfAborted();
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (failures.length > limits.failures) throw invalid(`more than ${limits.failures} flows failed`);
      try {
        changes.push(creation(flow));
        batch.push(flow);
      } catch (error) {
        if (!(error instanceof IpvsError)) throw error;
        failures.push({ flow, error });
      }
      if (batch.length === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
    await pipeline.end();
    return { created, failures };
  }

  /** Deletes the wanted flows. Ignores a flow that has ended meanwhile. Reads an unstable table again. */
  async deleteEach(
    flows: { batches(): AsyncIterable<readonly Flow[]> },
    wanted: (flow: Flow) => boolean,
    options?: CallOptions,
  ): Promise<number> {
    let deleted = 0;
    await untilStable(async () => {
      for await (const batch of flows.batches()) deleted += await this.#deleteAll(batch.filter(wanted), options);
    });
    return deleted;
  }

  async #deleteAll(flows: readonly Flow[], options: CallOptions | undefined): Promise<number> {
    const changes = flows.map((flow) => ({ verb: 'delete', key: flowKeyOf(flow) }) as const);
    const errnos = await this.#send(changes, options);
    let deleted = 0;
    changes.forEach((change, place) => {
      const errno = errnos[place] ?? Errno.EBADMSG;
      if (errno === 0) deleted++;
      else if (errno !== Errno.ENOENT) throw errorFor(requestOf(change), errno);
    });
    return deleted;
  }
}
