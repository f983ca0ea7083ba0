import { IpvsError } from '../kernel/errors.js';
import type { Failure } from './execute.js';
import { type PlannedStep, type Step, toStep } from './step.js';

/** How a step of an apply ended. */
export interface StepOutcome {
  readonly step: Step;
  /** None: it was done (and undone, if the error says so). */
  readonly error?: IpvsError | undefined;
}

/**
 * `ERR_IPVS_STEP_FAILED`: something could not be done; `cause` is the first error. The message says
 * what became of the rest.
 */
export class ApplyError extends IpvsError {
  /** Of each step that was tried; and what came of stale flows and the record, if that failed. */
  readonly outcomes: readonly StepOutcome[];
  /** Steps that were not tried. */
  readonly notTried: readonly Step[];
  /** What was done and could not be undone, in words; `undefined` if nothing was to be undone. */
  readonly left: readonly string[] | undefined;

  /** @internal */
  constructor(
    failures: readonly [Failure, ...Failure[]],
    tried: readonly Step[],
    due: readonly PlannedStep[],
    left: readonly string[] | undefined,
  ) {
    const [{ step, error }] = failures;
    const outcomes = new Map<Step, IpvsError | undefined>(tried.map((one) => [one, undefined]));
    for (const failure of failures) outcomes.set(failure.step, outcomes.get(failure.step) ?? failure.error);
    const notTried = due.filter((other) => !outcomes.has(other));
    super(
      'ERR_IPVS_STEP_FAILED',
      `cannot ${step.action.replace('-', ' ')} ${step.what}: ${error.message}; ${rest([...outcomes.values()], notTried, left)}`,
      { cause: error },
    );
    this.outcomes = [...outcomes].map(([one, error]) => ({ step: toStep(one), ...(error && { error }) }));
    this.notTried = notTried.map(toStep);
    this.left = left;
  }
}

function rest(
  errors: readonly (IpvsError | undefined)[],
  notTried: readonly PlannedStep[],
  left: readonly string[] | undefined,
): string {
  if (left?.length === 0) return 'what was done before it was taken back';
  if (left) return `left: ${left.join('; ')}`;
  const done = errors.filter((error) => error === undefined).length;
  return `${done} steps were done and stay, ${errors.length - done} failed, ${notTried.length} were not tried; the next apply goes on`;
}

export function inTheWay(conflicts: readonly PlannedStep[]): IpvsError {
  const lacking = conflicts.filter((step) => 'lacks' in step && step.lacks !== undefined);
  const list = (lacking.length > 0 ? lacking : conflicts).map(({ what, is }) => `${what} (there is ${is})`).join('; ');
  const [first] = lacking;
  if (!first) return new IpvsError('ERR_IPVS_FOREIGN', `others made what is in the way; nothing was done: ${list}`);
  const isSysctl = 'lacks' in first && first.lacks === 'sysctl';
  return new IpvsError(
    isSysctl ? 'ERR_IPVS_NO_SUCH_SYSCTL' : 'ERR_IPVS_NO_SUCH_INTERFACE',
    `nothing was done: ${list}`,
  );
}
