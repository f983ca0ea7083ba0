// A kernel at which a change fails, or at which the program dies: nothing works for it from then on.
import { type Kernel, KernelFailure } from '../../src/kernel/index.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';

const EIO = 5;
const changes = ['apply', 'setTimeouts', 'commit', 'sendFrame', 'writeFile'];
const writes = ['append', 'replace'];

export interface Fate {
  /** The number of the change of the kernel, from 1. */
  readonly change: number;
  /** Whether it is carried out, though it looks as if it failed. */
  readonly carriedOut: boolean;
  /** Whether it is the last that is tried at all: of the kernel, and of the journal. */
  readonly deadly: boolean;
}

export class MortalKernel {
  readonly kernel: Kernel;
  #fate: Fate | undefined;
  #struck = false;
  #count = 0;

  constructor() {
    const change = async (work: () => Promise<unknown>): Promise<unknown> => {
      this.#live();
      const now = ++this.#count === this.#fate?.change;
      if (now) this.#struck = true;
      if (!now || this.#fate?.carriedOut) {
        const result = await work();
        if (!now) return result;
      }
      throw new KernelFailure(EIO, 'it broke');
    };
    const write = async (work: () => Promise<unknown>): Promise<unknown> => {
      this.#live();
      return work();
    };
    this.kernel = {
      ...nativeKernel,
      openIpvs: async (options) => wrap(await nativeKernel.openIpvs(options), changes, change),
      openNetfilter: async (options) => wrap(await nativeKernel.openNetfilter(options), changes, change),
      openNetwork: async (options) => wrap(await nativeKernel.openNetwork(options), changes, change),
      // Given back as at the end of a process.
      openJournal: async (path, options) => wrap(await nativeKernel.openJournal(path, options), writes, write),
    };
  }

  /** From now on. */
  await(fate: Fate): void {
    this.#fate = fate;
    this.#count = 0;
    this.#struck = false;
  }

  /** Whether it came to pass; all is well then. */
  heal(): boolean {
    this.#fate = undefined;
    return this.#struck;
  }

  #live(): void {
    if (this.#struck && this.#fate?.deadly) throw new KernelFailure(EIO, 'it is dead');
  }
}

type Around = (work: () => Promise<unknown>) => Promise<unknown>;

function wrap<T extends object>(port: T, names: readonly string[], around: Around): T {
  return new Proxy(port, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      return names.includes(String(name)) ? (...args: unknown[]) => around(() => call(...args)) : call;
    },
  });
}
