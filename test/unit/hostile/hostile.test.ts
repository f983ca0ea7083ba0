// Every public function with arguments that no argument should be: an IpvsError, and nothing is sent.
import { beforeAll, describe, expect, test } from 'vitest';
import * as library from '../../../src/index.js';
import * as kernelEntry from '../../../src/kernel/index.js';
import * as testing from '../../../src/memory/index.js';
import { calls } from './calls.js';
import { findings } from './run.js';

// What reads documents is loaded with the first one.
beforeAll(async () => {
  await library.CheckedDocument.parse('owner: a');
});

describe('a hostile argument is refused before anything is sent:', () => {
  for (const [name, call] of calls)
    test(name, { timeout: 600_000 }, async () => {
      const { wrong, accepted } = await findings(call);
      expect(wrong).toEqual([]);
      expect(accepted).toEqual([]);
    });
});

/** Methods that take no argument from a caller, or are not for callers. */
const exceptions = new Set([
  // Internal: their arguments were checked before.
  'Ipvs.entries',
  'Ipvs.entry',
  'Ipvs.send',
  'Netfilter.entry',
  'StateSnapshot.plan',
  'Conntrack.deleteWhere',
  // The kernel that handles ask: a port, whose arguments the library has checked.
  'MemoryKernel.bootId',
  'MemoryKernel.openIpvs',
  'MemoryKernel.openConntrack',
  'MemoryKernel.openNetfilter',
  'MemoryKernel.openNetwork',
  // Takes a function that it calls.
  'MemoryNamespace.overrunEvents',
  // Values that only the library makes.
  'describeDifference',
  'savedServices',
]);

test('the table of calls names every public function and method', () => {
  const missing: string[] = [];
  const look = (name: string, length: number): void => {
    const takesNothing =
      length === 0 &&
      /\.(close|return|next|clear\w+|kill|gracePeriod|toString|toJSON|toArray|batches|overrunEvents|useLabels)$/.test(
        name,
      );
    if (!calls.has(name) && !exceptions.has(name) && !takesNothing) missing.push(name);
  };
  for (const [name, value] of Object.entries({
    ...library,
    ...kernelEntry,
    ...testing,
    MemoryNamespace: namespaceClass(),
  })) {
    if (typeof value !== 'function') continue;
    const { prototype } = value as { prototype?: object };
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    if (!isClass) look(name, 1);
    else if (prototype instanceof Error) continue;
    else
      for (const [of, owner] of [
        ['', value],
        ['prototype', prototype],
      ] as const)
        for (const [method, { value: found }] of Object.entries(Object.getOwnPropertyDescriptors(owner)))
          if (typeof found === 'function' && method !== 'constructor' && method !== 'prototype')
            look(`${name}.${method}`, of === '' ? 1 : (found as () => void).length);
  }
  expect(missing).toEqual([]);
});

function namespaceClass(): unknown {
  return new testing.MemoryKernel().namespace().constructor;
}
