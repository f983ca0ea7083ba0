import { inspect } from 'node:util';
import { mapInSlices } from '../../common/slices.js';
import type { PlannedSteps } from './plan.js';
import { contentWords } from './reasons.js';
import { isDue, type PlannedStep, type Step, toStep } from './step.js';
import { differenceWords, ownerWords } from './words.js';

const signs: Readonly<Record<Step['action'], string>> = {
  keep: ' ',
  make: '+',
  change: '~',
  adopt: '=',
  drain: '>',
  wait: '.',
  foreign: '?',
  'take-back': '-',
  conflict: '!',
};

/** Makes the texts of the steps, and a plan of both. */
export async function planOf(planned: PlannedSteps, signal?: AbortSignal): Promise<Plan> {
  return new Plan(planned, await mapInSlices(planned.steps, toStep, signal));
}

/**
 * The steps from the current state of a kernel to the wanted one.
 *
 * @example
 * ```ts
 * import type { DesiredState } from 'ipvs';
 *
 * export async function report(state: DesiredState): Promise<number> {
 *   const plan = await state.plan();
 *   for (const { action, what, is } of plan.changes) console.log(action, what, is ?? '');
 *   return plan.conflicts.length;
 * }
 * ```
 */
export class Plan {
  /** Steps in the order in which they are done, including those that wait, conflict, or belong to others. */
  readonly steps: readonly Step[];
  /** Number of objects that are as wanted. */
  readonly unchanged: number;

  /** @internal */
  readonly planned: readonly PlannedStep[];

  /** @internal */
  constructor({ steps, unchanged }: PlannedSteps, texts: readonly Step[]) {
    this.planned = steps;
    this.steps = texts;
    this.unchanged = unchanged;
  }

  /** Steps that an apply does. */
  get changes(): readonly Step[] {
    return this.steps.filter(isDue);
  }

  /** Steps that block the plan: while one exists, an apply changes nothing. */
  get conflicts(): readonly Step[] {
    return this.steps.filter(({ action }) => action === 'conflict');
  }

  /** True if no step changes anything, and none conflicts. */
  get empty(): boolean {
    return this.changes.length + this.conflicts.length === 0;
  }

  /** Returns the steps and the number of unchanged objects for JSON. */
  toJSON(): Record<string, unknown> {
    return { steps: this.steps, unchanged: this.unchanged };
  }

  /**
   * Returns a line for each step, then the number of objects that are as wanted. The signs: `+` make, `~` change, `-`
   * delete, `>` begin to drain, `.` wait, `=` adopt, `?` of others, `!` conflict.
   */
  toString(): string {
    const lines = this.steps.flatMap(({ action, what, is, differences = [], owner }, index) => {
      if (owner !== undefined) {
        const differs = differences.length === 0 ? '' : `: ${differenceWords(differences)}`;
        return [`${signs[action]} ${what} (of ${ownerWords(owner)}${differs})`];
      }
      const step = this.planned[index];
      const parts = step && 'reason' in step ? contentWords(step.reason) : [];
      if (parts.length > 1) return [`${signs[action]} ${what}`, ...parts.map((part) => `    ${part}`)];
      return [`${signs[action]} ${what}${is === undefined ? '' : ` (is: ${is})`}`];
    });
    return [...lines, `  ${this.unchanged} as wanted`].join('\n');
  }

  /** @internal */
  [inspect.custom](): string {
    return this.toString();
  }
}
