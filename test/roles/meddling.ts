// A kernel that somebody meddles with: before and after each change that is asked of it.
import type { Kernel } from '../../src/kernel/index.js';
import type { JournalPort } from '../../src/kernel/journal.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';

const changes = ['apply', 'commit', 'sendFrame', 'addUdpTunnel', 'deleteUdpTunnel', 'writeFile'];

/** Told of each change, from 1; a rejection is the change's own. */
export type Meddle = (change: number, when: 'before' | 'after') => Promise<void> | void;

/** `die`: gives back the journals that are open, as the end of a process does. */
export function meddlingKernel(meddle: Meddle): Kernel & { die(): Promise<void> } {
  let count = 0;
  const journals: JournalPort[] = [];
  const wrap = <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => unknown;
        if (!changes.includes(String(name))) return call;
        return async (...args: unknown[]) => {
          const change = ++count;
          await meddle(change, 'before');
          const result = await call(...args);
          await meddle(change, 'after');
          return result;
        };
      },
    });
  return {
    ...nativeKernel,
    die: async () => {
      await Promise.all(journals.map((journal) => journal.close()));
    },
    openJournal: async (path, options) => {
      const journal = await nativeKernel.openJournal(path, options);
      journals.push(journal);
      return journal;
    },
    openIpvs: async (options) => wrap(await nativeKernel.openIpvs(options)),
    openNetfilter: async (options) => wrap(await nativeKernel.openNetfilter(options)),
    openNetwork: async (options) => wrap(await nativeKernel.openNetwork(options)),
  };
}
