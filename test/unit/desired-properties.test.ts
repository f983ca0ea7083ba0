// From any state to any state, on the kernel in memory; with a failure at every request, and killed there.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ApplyError,
  type DesiredDocument,
  DesiredState,
  IpvsError,
  Network,
  type StepOutcome,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';
import { documents } from '../desired/arbitraries.js';
import { INTERFACE, makeForeign, stateOf, withState } from '../desired/world.js';

const OWNER = 'test';
const RUNS = Number(process.env.IPVS_RUNS ?? 700);
/** The same cases each time, for whoever depends on the outcome; other seeds look for others. */
const SEED = Number(process.env.IPVS_SEED ?? 1);
const TIME = 600_000;
const document = documents(OWNER, INTERFACE);

async function machine(): Promise<MemoryKernel> {
  const kernel = new MemoryKernel();
  await using network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: INTERFACE, up: true });
  await makeForeign(kernel, undefined);
  return kernel;
}

const stateIn = (kernel: MemoryKernel): Promise<string> => stateOf(kernel, undefined, OWNER);

/** What a namespace is like where only this document was ever applied. */
async function reference(wanted: DesiredDocument): Promise<string> {
  const kernel = await machine();
  await withState(wanted, { kernel }, (state) => state.apply());
  return stateIn(kernel);
}

async function expectReached(kernel: MemoryKernel, wanted: DesiredDocument): Promise<void> {
  expect(await stateIn(kernel)).toBe(await reference(wanted));
  await withState(wanted, { kernel }, async (state) => {
    const plan = await state.plan();
    expect(plan.changes).toEqual([]);
    expect(await state.apply()).toEqual([]);
  });
}

async function expectGone(kernel: MemoryKernel, wanted: DesiredDocument): Promise<void> {
  await withState(wanted, { kernel }, (state) => state.remove());
  expect(await stateIn(kernel)).toBe(await stateIn(await machine()));
}

/** What failed in spite of being more than work that follows from the changes. */
function followsOnly({ step, error }: StepOutcome): string[] {
  return error === undefined || /^(stale flows|announcement) of |^the record$/.test(step.what) ? [] : [step.what];
}

describe('from any document to any other', () => {
  test(
    'plan and apply reach it, a second plan is empty, what others made stays',
    async () => {
      await fc.assert(
        fc.asyncProperty(document, document, async (first, second) => {
          const kernel = await machine();
          await withState(first, { kernel }, (state) => state.apply());
          await expectReached(kernel, first);
          await withState(second, { kernel }, (state) => state.apply());
          await expectReached(kernel, second);
          await expectGone(kernel, second);
        }),
        { numRuns: RUNS, seed: SEED },
      );
    },
    TIME,
  );

  test(
    'whatever request fails, either all is as before, or the next apply reaches it',
    async () => {
      let failures = 0;
      await fc.assert(
        fc.asyncProperty(
          document,
          document,
          fc.nat({ max: 80 }),
          fc.constantFrom('roll-back' as const, 'leave' as const),
          fc.boolean(),
          async (first, second, after, onFailure, carriedOut) => {
            const kernel = await machine();
            await withState(first, { kernel }, (state) => state.apply());
            const before = await stateIn(kernel);
            const error = await withState(first, { kernel }, async (state) => {
              kernel.fail({ after, carriedOut });
              const [ended] = await Promise.allSettled([state.apply(second, { onFailure })]);
              kernel.clearFaults();
              return ended.status === 'rejected' ? ended.reason : undefined;
            });
            if (error !== undefined) {
              failures++;
              expect(error).toBeInstanceOf(IpvsError);
              // Nothing is undone for work that only follows from the changes: the record keeps it.
              const follows = error instanceof ApplyError && onFailure === 'roll-back' && error.left === undefined;
              if (follows) expect(error.outcomes.flatMap(followsOnly)).toEqual([]);
              else if (onFailure === 'roll-back') expect(await stateIn(kernel)).toBe(before);
            }
            await withState(second, { kernel }, (state) => state.apply());
            await expectReached(kernel, second);
            await expectGone(kernel, second);
          },
        ),
        { numRuns: RUNS, seed: SEED },
      );
      expect(failures).toBeGreaterThan(RUNS / 4);
    },
    TIME,
  );

  test(
    'wherever the program is killed, the next one goes on',
    async () => {
      let deaths = 0;
      await fc.assert(
        fc.asyncProperty(
          document,
          document,
          fc.nat({ max: 80 }),
          fc.boolean(),
          async (first, second, after, carriedOut) => {
            const kernel = await machine();
            await withState(first, { kernel }, (state) => state.apply());
            const state = await DesiredState.open(first, { kernel });
            kernel.fail({ after, errno: 'killed', carriedOut });
            const [ended] = await Promise.allSettled([state.apply(second)]);
            if (ended.status === 'rejected') deaths++;
            kernel.clearFaults();
            kernel.kill();
            await withState(second, { kernel }, (next) => next.apply());
            await expectReached(kernel, second);
            await expectGone(kernel, second);
          },
        ),
        { numRuns: RUNS, seed: SEED },
      );
      expect(deaths).toBeGreaterThan(RUNS / 4);
    },
    TIME,
  );
});
