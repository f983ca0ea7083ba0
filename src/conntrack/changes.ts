import { checkCallOptions } from '../kernel/check.js';
import type { Flow, FlowChange, FlowKey } from '../kernel/conntrack/types.js';
import { Errno } from '../kernel/errno.js';
import type { IpvsError } from '../kernel/errors.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { Context } from './context.js';
import { errorFor, type Request, translate } from './errors.js';
import { creation, type FlowOptions } from './flow-options.js';
import { describeFlow } from './tuple.js';

/** How an operation ended, at its place in the list. */
export type FlowResult = { readonly ok: true } | { readonly ok: false; readonly error: IpvsError };

/** So many go to the kernel in one request; two requests are under way at a time. */
const BATCH = 512;

const commands = { create: 'NEW', update: 'UPDATE', delete: 'DELETE' } as const;

function requestOf(change: FlowChange): Request {
  return { command: commands[change.verb], action: `${change.verb} flow`, object: describeFlow(change.key) };
}

/** Two requests at a time, the next being made while the kernel carries one out. */
class Pipeline {
  #before: Promise<void> = Promise.resolve();

  async push(send: () => Promise<void>): Promise<void> {
    const under = send();
    under.catch(() => {}); // it is awaited with the next
    await this.#before;
    this.#before = under;
    await new Promise((resolve) => setImmediate(resolve)); // the event loop gets a turn
  }

  async end(): Promise<void> {
    await this.#before;
  }
}

/** Changes of flows, one or many. */
export class Changes {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async one(change: FlowChange, options?: CallOptions): Promise<void> {
    const [result] = await this.all([change], options);
    if (result && !result.ok) throw result.error;
  }

  async all(changes: readonly FlowChange[], options?: CallOptions): Promise<FlowResult[]> {
    checkCallOptions(options);
    const failed = new Map<number, IpvsError>();
    const whole = await Promise.all(changes.map((change, index) => this.#withStatus(change, index, failed, options)));
    const sent = whole.flatMap((change, index) => (failed.has(index) ? [] : [{ change, index }]));
    const pipeline = new Pipeline();
    for (let from = 0; from < sent.length; from += BATCH) {
      const batch = sent.slice(from, from + BATCH);
      await pipeline.push(async () => {
        const errnos = await this.#send(
          batch.map(({ change }) => change),
          options,
        );
        batch.forEach(({ change, index }, place) => {
          const errno = errnos[place] ?? Errno.EBADMSG;
          if (errno !== 0) failed.set(index, errorFor(requestOf(change), errno));
        });
      });
    }
    await pipeline.end();
    return changes.map((_, index) => {
      const error = failed.get(index);
      return error ? { ok: false, error } : { ok: true };
    });
  }

  /** The kernel takes a status for the whole of it: what is set already must be there, too. */
  async #withStatus(
    change: FlowChange,
    index: number,
    failed: Map<number, IpvsError>,
    options: CallOptions | undefined,
  ): Promise<FlowChange> {
    if (change.verb !== 'update' || change.settings.statusBits === undefined) return change;
    const { key, settings } = change;
    try {
      const { statusBits } = await this.#context.port.flow(key, options);
      return { verb: 'update', key, settings: { ...settings, statusBits: (settings.statusBits ?? 0) | statusBits } };
    } catch (error) {
      const translated = translate(requestOf(change), error);
      if (!(translated instanceof Error && 'code' in translated)) throw translated;
      failed.set(index, translated as IpvsError);
      return change;
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
          : ({ command: 'UPDATE', action: 'apply', object: `${changes.length} operations` } as const);
      throw translate(request, error);
    }
  }

  async createAll(
    flows: Iterable<FlowOptions> | AsyncIterable<FlowOptions>,
    options?: CallOptions,
  ): Promise<{ created: number; failures: { flow: FlowOptions; error: IpvsError }[] }> {
    checkCallOptions(options);
    let created = 0;
    const failures: { flow: FlowOptions; error: IpvsError }[] = [];
    const finish = async (batch: readonly FlowOptions[], sent: Promise<ArrayLike<number>>): Promise<void> => {
      const errnos = await sent;
      batch.forEach((flow, place) => {
        const errno = errnos[place] ?? Errno.EBADMSG;
        if (errno === 0) created++;
        else failures.push({ flow, error: errorFor(requestOf(creation(flow)), errno) });
      });
    };
    const pipeline = new Pipeline();
    let batch: FlowOptions[] = [];
    let changes: FlowChange[] = [];
    const flush = (): Promise<void> => {
      const [flowsSent, changesSent] = [batch, changes];
      [batch, changes] = [[], []];
      return pipeline.push(() => finish(flowsSent, this.#send(changesSent, options)));
    };
    for await (const flow of flows) {
      changes.push(creation(flow));
      batch.push(flow);
      if (batch.length === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
    await pipeline.end();
    return { created, failures };
  }

  /** Deletes what comes and is wanted; what has ended meanwhile is no failure. */
  async deleteEach(
    flows: { batches(): AsyncIterable<readonly Flow[]> },
    wanted: (flow: Flow) => boolean,
    options?: CallOptions,
  ): Promise<number> {
    let deleted = 0;
    for await (const batch of flows.batches()) {
      const keys = batch.filter(wanted).map(keyOf);
      const changes = keys.map((key) => ({ verb: 'delete', key }) as const);
      const errnos = await this.#send(changes, options);
      changes.forEach((change, place) => {
        const errno = errnos[place] ?? Errno.EBADMSG;
        if (errno === 0) deleted++;
        else if (errno !== Errno.ENOENT) throw errorFor(requestOf(change), errno);
      });
    }
    return deleted;
  }
}

/** The very flow: by its tuple and id. */
function keyOf(flow: Flow): FlowKey {
  const { original, zone, id } = flow;
  return { original, zone, ...(id !== undefined && { id }) };
}
