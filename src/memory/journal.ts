import { Errno } from '../common/errno.js';
import { KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { type JournalPort, type JournalText, MAX_JOURNAL } from '../kernel/journal.js';
import { Handle, type Machine, within } from './machine.js';

/** The journals of a machine: their texts, by path. */
export class MemoryJournals {
  readonly #machine: Machine;
  readonly texts = new Map<string, string>();
  readonly #locks = new Map<string, { readonly handle: Handle; readonly free: Promise<void> }>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  read(prefix: string): JournalText[] {
    return [...this.texts].flatMap(([path, text]) => (path.startsWith(prefix) ? [{ path, text }] : []));
  }

  async open(path: string, options: CallOptions = {}): Promise<JournalPort> {
    const handle = new Handle(this.#machine, 'journal');
    await handle.ask('open', path, () => undefined, options);
    for (;;) {
      const lock = this.#locks.get(path);
      // A killed program releases its lock.
      if (!lock || lock.handle.closed) break;
      await within(lock.free, { timeout: 30_000, ...options });
    }
    handle.alive();
    const { promise, resolve } = deferred();
    this.#locks.set(path, { handle, free: promise });
    const { texts } = this;
    return {
      read: () => handle.ask('read', path, () => texts.get(path)),
      append: (text) =>
        handle.ask('append', path, () => {
          const before = texts.get(path);
          if (before === undefined) throw new KernelFailure(Errno.ENOENT, path);
          texts.set(path, checkSize(path, before + text));
        }),
      replace: (text) =>
        handle.ask('replace', path, () => {
          if (text === '') texts.delete(path);
          else texts.set(path, checkSize(path, text));
        }),
      close: async () => {
        if (this.#locks.get(path)?.handle === handle) this.#locks.delete(path);
        handle.close();
        resolve();
      },
    };
  }
}

function checkSize(path: string, text: string): string {
  if (Buffer.byteLength(text) <= MAX_JOURNAL) return text;
  throw new KernelFailure(Errno.EFBIG, `${path} would have more than ${MAX_JOURNAL} bytes`);
}

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
