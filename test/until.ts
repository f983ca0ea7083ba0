// One way to wait for something that happens on its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

/**
 * Reads every 50 ms until `good` accepts the value, and returns it.
 * @throws Error with the last value when `patience` milliseconds are over
 */
export async function until<T>(
  read: () => T | Promise<T>,
  good: (value: T) => boolean = Boolean,
  patience = 20_000,
): Promise<T> {
  const end = performance.now() + patience;
  for (;;) {
    const value = await read();
    if (good(value)) return value;
    if (performance.now() > end)
      throw new Error(`not so within ${patience / 1000} s: ${good}; last read: ${inspect(value).slice(0, 2000)}`);
    await sleep(50);
  }
}

/** Calls `work` until it does not throw. @throws what it threw last, when `patience` milliseconds are over */
export async function untilPasses<T>(work: () => T | Promise<T>, patience = 20_000): Promise<T> {
  const end = performance.now() + patience;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await sleep(50);
  }
}
