// From any state to any state, on the real kernel; with a failure at a change, and killed there. What
// it is to be like is what a kernel in memory is like where only the last document was ever applied.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState, IpvsError, Network } from '../../src/index.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { MemoryKernel } from '../../src/memory/index.js';
import { deleteNamespace, run } from '../ipvs/world.js';
import { load, records } from '../roles/lan.js';
import { documents } from './arbitraries.js';
import { MortalKernel } from './mortal.js';
import { INTERFACE, makeForeign, Observer, stateOf, withState } from './world.js';

const OWNER = 'test';
const RUNS = Number(process.env.IPVS_RUNS ?? 35);
const TIME = 600_000;
const namespace = `ipvs-properties-${process.pid}`;
const document = documents(OWNER, INTERFACE).map((wanted): DesiredDocument => ({ ...wanted, namespace }));
const mortal = new MortalKernel();

let state: DesiredState;
let observer: Observer;

beforeAll(async () => {
  load('ip_vs', 'ip_vs_rr', 'ip_vs_wrr', 'ip_vs_wlc', 'ip_vs_lc', 'ip_vs_sh');
  run('ip', 'netns', 'add', namespace);
  for (const command of ['link set lo up', `link add ${INTERFACE} type dummy`, `link set ${INTERFACE} up`])
    run('ip', '-n', namespace, ...command.split(' '));
  await makeForeign(nativeKernel, namespace);
  observer = await Observer.open(nativeKernel, namespace, OWNER);
  // Of handles that are open a program can die, too: it reads the journal each time.
  state = await DesiredState.open({ owner: OWNER, namespace }, { kernel: mortal.kernel });
  expect(await observer.state()).toBe(await reference({ owner: OWNER }));
});

afterEach(async () => {
  mortal.heal();
  await state.remove();
  expect(await observer.state()).toBe(await reference({ owner: OWNER }));
  expect(records()).toEqual([]);
});

afterAll(async () => {
  await state?.close();
  await observer?.close();
  deleteNamespace(namespace);
});

async function reference({ namespace: _, ...wanted }: DesiredDocument): Promise<string> {
  const kernel = new MemoryKernel();
  {
    await using network = await Network.open({ kernel });
    await network.addLink({ kind: 'dummy', name: INTERFACE, up: true });
  }
  await makeForeign(kernel, undefined);
  await withState(wanted, { kernel }, (one) => one.apply());
  return stateOf(kernel, undefined, OWNER);
}

async function expectReached(wanted: DesiredDocument): Promise<void> {
  expect(await observer.state()).toBe(await reference(wanted));
  const { changes } = await state.plan(wanted);
  expect(changes.map(({ action, what }) => `${action} ${what}`)).toEqual([]);
}

// Each run begins with what the one before has left: shrinking would begin elsewhere.
// The same cases each time, for whoever depends on the outcome; other seeds look for others.
const options = { endOnFailure: true, includeErrorInReport: true, seed: Number(process.env.IPVS_SEED ?? 1) };

describe('from any document to any other', () => {
  test(
    'apply reaches it, a second plan is empty, what others made stays',
    async () => {
      const property = fc.asyncProperty(document, fc.constantFrom('apply', 'remove', ''), async (wanted, then) => {
        await state.apply(wanted);
        await expectReached(wanted);
        if (then === 'apply') expect(await state.apply()).toEqual([]);
        if (then !== 'remove') return;
        await state.remove();
        expect(await observer.state()).toBe(await reference({ owner: OWNER }));
      });
      await fc.assert(property, { numRuns: RUNS, ...options });
    },
    TIME,
  );

  test(
    'whatever change fails, either all is as before, or the next apply reaches it',
    async () => {
      let failures = 0;
      const property = fc.asyncProperty(
        document,
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom('roll-back' as const, 'leave' as const),
        fc.boolean(),
        async (wanted, change, onFailure, carriedOut) => {
          const before = onFailure === 'roll-back' && (await observer.state());
          mortal.await({ change, carriedOut, deadly: false });
          const [ended] = await Promise.allSettled([state.apply(wanted, { onFailure })]);
          expect(ended.status).toBe(mortal.heal() ? 'rejected' : 'fulfilled');
          if (ended.status === 'rejected') {
            failures++;
            expect(ended.reason).toBeInstanceOf(IpvsError);
            if (before) expect(await observer.state()).toBe(before);
          }
          await state.apply();
          await expectReached(wanted);
        },
      );
      await fc.assert(property, { numRuns: RUNS, ...options });
      expect(failures).toBeGreaterThan(RUNS / 4);
    },
    TIME,
  );

  test(
    'wherever the program is killed, the next one goes on',
    async () => {
      let deaths = 0;
      const property = fc.asyncProperty(
        document,
        document,
        fc.integer({ min: 1, max: 12 }),
        fc.boolean(),
        async (wanted, next, change, carriedOut) => {
          mortal.await({ change, carriedOut, deadly: true });
          await Promise.allSettled([state.apply(wanted)]);
          if (mortal.heal()) deaths++;
          await state.apply(next);
          await expectReached(next);
        },
      );
      await fc.assert(property, { numRuns: RUNS, ...options });
      expect(deaths).toBeGreaterThan(RUNS / 4);
    },
    TIME,
  );
});
