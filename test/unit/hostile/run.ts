// Calls a function of the library with spoilt arguments, and judges how it ends.
import { IpvsError } from '../../../src/index.js';
import { KernelFailure } from '../../../src/kernel/index.js';
import { MemoryKernel } from '../../../src/memory/index.js';
import { mutations } from './mutations.js';
import { OwnError } from './values.js';

/** A function of the library, or a method of what it gives. */
export interface Call {
  /** What has the method; nothing for a function. */
  readonly subject: (kernel: MemoryKernel) => object | Promise<object>;
  readonly method: string;
  /** Valid ones, with all options that there are. */
  readonly args: (kernel: MemoryKernel) => readonly unknown[];
  /** Throws bad arguments at once: it gives no promise. */
  readonly throws?: true;
  /** How deep its arguments are spoilt. Default: 2. */
  readonly depth?: number;
  /** Values that are right there although they are of another kind. */
  readonly accepts?: readonly RegExp[];
  /** Mutations that are not tried. */
  readonly without?: RegExp;
  /** Goes on for ever with valid arguments: it is left after its first turns. */
  readonly endless?: true;
}

/** How a call ended. */
type Ending =
  | { readonly kind: 'refused' }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'wrong'; readonly why: string };

/** Turns of the event loop after which a call counts as blocked. */
const TURNS = 100_000;

async function settled(promise: Promise<unknown>, turns: number): Promise<{ readonly error?: unknown } | 'pending'> {
  let outcome: { readonly error?: unknown } | undefined;
  promise.then(
    () => {
      outcome = {};
    },
    (error: unknown) => {
      outcome = { error };
    },
  );
  for (let turn = 0; turn < turns; turn++) {
    if (outcome) return outcome;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return outcome ?? 'pending';
}

async function end(kernel: MemoryKernel, call: Call, target: object, args: readonly unknown[]): Promise<Ending> {
  const before = kernel.requests.length;
  const method = (target as Record<string, (...args: readonly unknown[]) => unknown>)[call.method];
  if (!method) throw new Error(`there is no ${call.method}`);
  let error: unknown;
  try {
    const result = method.apply(target, [...args]);
    if (result instanceof Promise || isIterator(result)) {
      const outcome = await settled(result instanceof Promise ? result : result.next(), call.endless ? 1000 : TURNS);
      if (isIterator(result)) void result.return?.().catch(() => {});
      if (outcome === 'pending') return call.endless ? { kind: 'accepted' } : { kind: 'wrong', why: 'blocks' };
      if (!('error' in outcome)) return { kind: 'accepted' };
      error = outcome.error;
    } else return { kind: 'accepted' };
  } catch (thrown) {
    if (!call.throws) return { kind: 'wrong', why: `throws at once: ${text(thrown)}` };
    error = thrown;
  }
  const sent = kernel.requests.length - before;
  if (isOwn(error)) return sent === 0 ? { kind: 'refused' } : { kind: 'wrong', why: 'sent before it threw' };
  if (error instanceof KernelFailure) return { kind: 'accepted' };
  if (!(error instanceof IpvsError)) return { kind: 'wrong', why: text(error) };
  if (error.message.length > 20_000) return { kind: 'wrong', why: `a message of ${error.message.length} characters` };
  if (error.code !== 'ERR_IPVS_INVALID_ARGUMENT') return { kind: 'accepted' };
  return sent === 0 ? { kind: 'refused' } : { kind: 'wrong', why: `refused after ${sent} requests` };
}

/** Thrown by the hostile object itself. */
function isOwn(error: unknown): boolean {
  return (
    error instanceof OwnError || (error instanceof TypeError && /on a proxy that has been revoked$/.test(error.message))
  );
}

function isIterator(value: unknown): value is AsyncGenerator<unknown, void, void> {
  return typeof value === 'object' && value !== null && 'next' in value && Symbol.asyncIterator in value;
}

function text(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : String(error);
}

/** Whether options that named a kernel name none any more: the call would be done on this machine. */
function losesKernel(args: readonly unknown[], spoilt: readonly unknown[]): boolean {
  const at = args.findIndex((value) => typeof value === 'object' && value !== null && 'kernel' in value);
  const options = spoilt[at];
  if (at < 0 || options === null || (typeof options !== 'object' && options !== undefined)) return false;
  try {
    return (options as { kernel?: unknown } | undefined)?.kernel === undefined;
  } catch {
    return false; // it throws for the library, too
  }
}

/** Right in every call: no limit of time, and whichever text a namespace has as its name. */
const everywhere = [
  /timeout = Infinity$/,
  /\.namespace(\.path)? = (a space|a text with a newline|"__proto__"|"constructor")$/,
];

/** What was wrong, and which spoilt arguments were taken for good ones. */
export interface Findings {
  readonly wrong: string[];
  readonly accepted: string[];
}

export async function findings(call: Call): Promise<Findings> {
  const wrong: string[] = [];
  const accepted: string[] = [];
  const kernel = new MemoryKernel();
  const target = await call.subject(kernel);
  const args = call.args(kernel);
  const valid = await end(kernel, call, target, args);
  if (valid.kind !== 'accepted') wrong.push(`valid arguments: ${valid.kind === 'wrong' ? valid.why : valid.kind}`);
  for (const { name, args: spoilt, mayBeValid } of mutations(args, call.depth ?? 2)) {
    if (losesKernel(args, spoilt) || call.without?.test(name)) continue;
    const ending = await end(kernel, call, target, spoilt);
    if (ending.kind === 'wrong') wrong.push(`${name}: ${ending.why}`);
    const isException = [...everywhere, ...(call.accepts ?? [])].some((pattern) => pattern.test(name));
    if (ending.kind === 'accepted' && !mayBeValid && !isException) accepted.push(name);
  }
  return { wrong, accepted };
}
