import { inspect } from 'node:util';
import type { PlannedSteps } from './plan.js';
import { isDue, type Step, toStep } from './step.js';
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

/** What it takes from how a kernel is to how it is wanted. */
export class Plan {
  /** In the order in which they are done; also what waits, is in the way, or is others'. */
  readonly steps: readonly Step[];
  /** How much is as it should be. */
  readonly unchanged: number;

  /** @internal */
  constructor({ steps, unchanged }: PlannedSteps) {
    this.steps = steps.map(toStep);
    this.unchanged = unchanged;
  }

  /** What is to be done. */
  get changes(): readonly Step[] {
    return this.steps.filter(isDue);
  }

  /** What others made that is in the way: as long as there is some, nothing is done. */
  get conflicts(): readonly Step[] {
    return this.steps.filter(({ action }) => action === 'conflict');
  }

  /** Nothing is to be done, and nothing is in the way. */
  get empty(): boolean {
    return this.changes.length + this.conflicts.length === 0;
  }

  toJSON(): Record<string, unknown> {
    return { steps: this.steps, unchanged: this.unchanged };
  }

  /**
   * A line for each step: `+` to be made, `~` to be changed, `-` to go, `>` begins to drain, `.` waits,
   * `=` is adopted, `?` is others', `!` is in the way; then how much is as it should be.
   */
  toString(): string {
    const lines = this.steps.flatMap(({ action, what, is, differences = [], owner }) => {
      if (owner !== undefined) {
        const differs = differences.length === 0 ? '' : `: ${differenceWords(differences)}`;
        return [`${signs[action]} ${what} (of ${ownerWords(owner)}${differs})`];
      }
      const parts = is?.split('; ') ?? [];
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
