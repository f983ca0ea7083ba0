import { uptime } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { Kernel } from '../kernel/kernel.js';

/**
 * Loads the code that talks to the kernel, a fifth of the library. Importing the library omits it: programs that only
 * plan, or test in memory, never need it.
 */
async function load(): Promise<Omit<Kernel, 'clock'>> {
  return (await import('./native-kernel.js')).kernelOfAddon;
}

/** The kernel of this machine. Its code is loaded at the first use. */
export const nativeKernel: Kernel = {
  openIpvs: async (options) => (await load()).openIpvs(options),
  openConntrack: async (options) => (await load()).openConntrack(options),
  openNetfilter: async (options) => (await load()).openNetfilter(options),
  openNetwork: async (options) => (await load()).openNetwork(options),

  namespaces: {
    add: async (name, options) => (await load()).namespaces.add(name, options),
    delete: async (name, options) => (await load()).namespaces.delete(name, options),
    list: async (options) => (await load()).namespaces.list(options),
  },

  journalPath: async (path) => (await load()).journalPath(path),
  openJournal: async (path, options) => (await load()).openJournal(path, options),
  readJournals: async (prefix) => (await load()).readJournals(prefix),

  clock: {
    // A change of the system time must not move a deadline.
    now: () => uptime() * 1000,
    async sleep(milliseconds, signal) {
      try {
        await setTimeout(milliseconds, undefined, { signal });
      } catch (error) {
        signal?.throwIfAborted(); // throws the reason, which is only the cause of Node's error
        throw error;
      }
    },
  },

  bootId: async () => (await load()).bootId(),
  gracePeriod: async () => (await load()).gracePeriod(),
};
