import { IpvsError } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { describeServerOf } from '../kernel/ipvs/describe.js';
import type { ServerEntry, ServerKey, ServiceKey } from '../kernel/ipvs/types.js';
import type { Context } from './context.js';
import { readServerEntry } from './read-server.js';
import { changeServer } from './server-options.js';

/** One drain: the server, and the checked options. */
export interface ServerDrain {
  readonly service: ServiceKey;
  readonly key: ServerKey;
  /** Time limit for the drain, in milliseconds; `Infinity` for none. */
  readonly timeLimit: number;
  /** Time between two readings, in milliseconds. */
  readonly interval: number;
  /** Called with each reading. */
  readonly onReading: (entry: ServerEntry) => void;
  readonly call: CallOptions;
}

/** Drains a server and deletes it, or restores its weight. See {@link RealServer.drain}. */
export async function drainServer(context: Context, drain: ServerDrain): Promise<void> {
  const { service, key, call } = drain;
  const before = await readServerEntry(context, service, key, call);
  try {
    await setWeight(context, drain, before, 0, call);
    // Packets that read the earlier weight may still become connections until the grace period ends.
    await context.kernel.gracePeriod();
    await waitUntilIdle(context, drain, before.weight);
    await context.change({ command: 'DEL_DEST', service, server: key }, call);
  } catch (reason) {
    if (before.weight !== 0) await restoreWeight(context, drain, before.weight, reason);
    throw reason;
  }
}

async function waitUntilIdle(context: Context, drain: ServerDrain, weight: number): Promise<void> {
  const { service, key, timeLimit, interval, onReading, call } = drain;
  const { clock } = context.kernel;
  const end = clock.now() + timeLimit;
  for (;;) {
    const entry = await readServerEntry(context, service, key, call);
    if (entry.weight !== 0) throw changedWeight(drain, entry.weight);
    onReading(entry);
    if (entry.activeConnections + entry.inactiveConnections + entry.persistentConnections === 0) return;
    const left = end - clock.now();
    if (left <= 0) throw timeLimitReached(drain, entry, weight);
    await clock.sleep(Math.min(interval, left), call.signal);
  }
}

async function setWeight(
  context: Context,
  { service }: ServerDrain,
  current: ServerEntry,
  weight: number,
  call: CallOptions,
): Promise<void> {
  if (current.weight === weight) return;
  await context.change({ command: 'SET_DEST', service, server: changeServer(current, { weight }, service) }, call);
}

/**
 * Restores the weight unless another program changed it, or deleted the server. The signal does not apply: it may be
 * the reason.
 */
async function restoreWeight(context: Context, drain: ServerDrain, weight: number, reason: unknown): Promise<void> {
  const { service, key, call } = drain;
  const { timeout } = call;
  try {
    const current = await readServerEntry(context, service, key, { timeout });
    if (current.weight === 0) await setWeight(context, drain, current, weight, { timeout });
  } catch (error) {
    if (!(error instanceof IpvsError)) throw error;
    if (error.code === 'ERR_IPVS_NO_SUCH_SERVER' || error.code === 'ERR_IPVS_NO_SUCH_SERVICE') return;
    const { code, message, errno, errnoName } = error;
    throw new IpvsError(
      code,
      `${message}. The drain has ended, but the server may keep weight 0 instead of ${weight}`,
      {
        errno,
        errnoName,
        request: { action: 'restore the weight of server', object: describeServerOf(key, service) },
        cause: reason,
      },
    );
  }
}

function changedWeight({ service, key }: ServerDrain, weight: number): IpvsError {
  const object = describeServerOf(key, service);
  return new IpvsError(
    'ERR_IPVS_CHANGED',
    `cannot drain server ${object}: its weight was set to ${weight} meanwhile, not by the drain; the server keeps that weight`,
    { request: { action: 'drain server', object } },
  );
}

function timeLimitReached({ service, key, timeLimit }: ServerDrain, entry: ServerEntry, weight: number): IpvsError {
  const { activeConnections, inactiveConnections, persistentConnections } = entry;
  const object = describeServerOf(key, service);
  return new IpvsError(
    'ERR_IPVS_TIMEOUT',
    `cannot drain server ${object}: after ${timeLimit} ms it has ${activeConnections} active, ${inactiveConnections} ` +
      `inactive and ${persistentConnections} persistent connections. Its weight is ${weight}${weight === 0 ? '' : ' again'}`,
    { request: { action: 'drain server', object } },
  );
}
