import { IpvsError, type IpvsErrorCode } from '../../common/errors.js';
import { decodeService } from '../../kernel/ipvs/ids.js';
import { lackingOf } from '../plan/reasons.js';
import { type AnyStep, type PlannedStep, type Step, TableStep, toStep, whatOf } from '../plan/step.js';
import { differenceWords, ownerWords } from '../plan/words.js';
import type { Failure } from './execute.js';

const verbs: Readonly<Record<Step['action'], string>> = {
  keep: 'keep',
  make: 'make',
  change: 'change',
  adopt: 'adopt',
  drain: 'drain',
  wait: 'wait for',
  foreign: 'leave',
  'take-back': 'take back',
  conflict: 'make',
};

/** Outcome of one step of an apply. */
export interface StepOutcome {
  /** Step that was tried. */
  readonly step: Step;
  /** Absent if the step was done. A rollback may have undone it since: see {@link ApplyError.left}. */
  readonly error?: IpvsError | undefined;
}

/**
 * Error `ERR_IPVS_STEP_FAILED`: at least one step failed. `cause` is the first error; the message states the outcome of
 * the other steps.
 *
 * @example
 * ```ts
 * import { ApplyError, type DesiredState } from 'ipvs';
 *
 * export async function tryToApply(state: DesiredState): Promise<void> {
 *   try {
 *     await state.apply();
 *   } catch (error) {
 *     if (!(error instanceof ApplyError)) throw error;
 *     for (const { step, error: reason } of error.outcomes) if (reason) console.error(step.what, reason.code);
 *   }
 * }
 * ```
 */
export class ApplyError extends IpvsError {
  /**
   * Outcome of each step that was tried, and of the work that follows from steps (stale flows, announcements, the
   * record) if it failed. A failure of stale flows or announcements undoes nothing: the record keeps them for the next
   * apply.
   */
  readonly outcomes: readonly StepOutcome[];
  /** Steps that were not tried. */
  readonly notTried: readonly Step[];
  /**
   * Steps that could not be undone, or, of a removal, done, with their errors; empty if everything was undone,
   * `undefined` if no rollback was due.
   */
  readonly left: readonly StepOutcome[] | undefined;

  /** @internal */
  constructor(
    failures: readonly [Failure, ...Failure[]],
    tried: readonly AnyStep[],
    due: readonly PlannedStep[],
    left: readonly Failure[] | undefined,
  ) {
    const [{ step, error }] = failures;
    const outcomes = new Map<AnyStep, IpvsError | undefined>(tried.map((one) => [one, undefined]));
    for (const failure of failures) outcomes.set(failure.step, outcomes.get(failure.step) ?? failure.error);
    const notTried = due.filter((other) => !outcomes.has(other));
    super(
      'ERR_IPVS_STEP_FAILED',
      `cannot ${verbs[step.action]} ${whatOf(step)}: ${error.message}; ${rest([...outcomes.values()], notTried, left)}`,
      { cause: error },
    );
    this.outcomes = [...outcomes].map(([one, error]) => ({ step: toStep(one), ...(error && { error }) }));
    this.notTried = notTried.map(toStep);
    this.left = left?.map((one) => ({ step: toStep(one.step), error: one.error }));
  }
}

function rest(
  errors: readonly (IpvsError | undefined)[],
  notTried: readonly PlannedStep[],
  left: readonly Failure[] | undefined,
): string {
  if (left?.length === 0) return 'everything done before it was undone';
  if (left)
    return `left: ${[...new Set(left.map(({ step, error }) => `${whatOf(step)} (${error.message})`))].join('; ')}`;
  const done = errors.filter((error) => error === undefined).length;
  return `${done} steps were done and stay, ${errors.length - done} failed, ${notTried.length} were not tried; the next apply continues`;
}

/**
 * Error of an apply that nothing was done for: something is in the way, or missing. Its code is `ERR_IPVS_FOREIGN`,
 * `ERR_IPVS_NO_SUCH_INTERFACE` or `ERR_IPVS_NO_SUCH_SYSCTL`.
 *
 * @example
 * ```ts
 * import { ConflictError, type DesiredState } from 'ipvs';
 *
 * export async function adoptIfInTheWay(state: DesiredState): Promise<void> {
 *   try {
 *     await state.apply();
 *   } catch (error) {
 *     if (!(error instanceof ConflictError)) throw error;
 *     for (const { what, is } of error.conflicts) console.error(`${what}: ${is}`);
 *   }
 * }
 * ```
 */
export class ConflictError extends IpvsError {
  /** Steps that cannot be done, with the owner and the differences of what is in the way, as far as they are known. */
  readonly conflicts: readonly Step[];

  /** @internal */
  constructor(code: IpvsErrorCode, message: string, conflicts: readonly PlannedStep[]) {
    super(code, message);
    this.conflicts = conflicts.map(toStep);
  }
}

/** Maximum number of conflicts that a message lists. */
const LISTED = 5;

/**
 * Returns the error for conflicts. `adoptable`: true if the caller can ask for adoption. `record`: the file of the
 * owner, if it does not exist.
 */
export function inTheWay(conflicts: readonly PlannedStep[], adoptable: boolean, record?: string): ConflictError {
  const lacks = (step: PlannedStep) => lackingOf(step.reason);
  const lacking = conflicts.filter((step) => lacks(step) !== undefined);
  const [first] = lacking;
  if (first) {
    return new ConflictError(
      lacks(first) === 'sysctl' ? 'ERR_IPVS_NO_SUCH_SYSCTL' : 'ERR_IPVS_NO_SUCH_INTERFACE',
      `nothing was done: ${listOf(lacking.map(conflictWords))}`,
      conflicts,
    );
  }
  const advice = new Set(conflicts.slice(0, LISTED).flatMap((step) => adviceOn(step, adoptable)));
  const isUnknown = conflicts.some((step) => !(step instanceof TableStep) || (step.owner ?? null) === null);
  const told = [`not applied: ${listOf(conflicts.map(conflictWords))}`, ...advice].join('. ');
  return new ConflictError('ERR_IPVS_FOREIGN', told + (adoptable && isUnknown ? lost(record) : ''), conflicts);
}

function listOf(conflicts: readonly string[]): string {
  const more = conflicts.length > LISTED ? [`${conflicts.length - LISTED} more`] : [];
  return [...conflicts.slice(0, LISTED), ...more].join('; ');
}

function conflictWords(step: PlannedStep): string {
  if (!(step instanceof TableStep)) {
    const { what, is } = toStep(step);
    return `${what} (there is ${is})`;
  }
  const { differences = [], owner = null } = step;
  const differs = differences.length === 0 ? '' : ` and differs (${differenceWords(differences)})`;
  return `${step.subject} belongs to ${ownerWords(owner)}${differs}`;
}

function adviceOn(step: PlannedStep, adoptable: boolean): string[] {
  if (!(step instanceof TableStep)) return [];
  const { service, server, differences = [] } = step;
  const ways = adoptable ? ['adopt it with `{ adopt: true }`'] : [];
  if (adoptable && server === undefined && differences.length === 0)
    ways.push('write `shared: true` to add servers to it');
  if (server !== undefined) ways.push('leave it out');
  else ways.push('fwmark' in decodeService(service) ? 'use another mark' : 'use another address or port');
  const last = ways.pop() ?? '';
  const text = ways.length === 0 ? last : `${ways.join(', ')}, or ${last}`;
  return [`${text.charAt(0).toUpperCase()}${text.slice(1)}`];
}

function lost(record: string | undefined): string {
  if (record === undefined) return '';
  return (
    `. The owner has no record here (${record}): everything there belongs to another program. If an earlier run of ` +
    'this owner made it, the record was lost with its container: mount /run/ipvs from the host so that it stays ' +
    '(docs/containers.md), and adopt what is there with `{ adopt: true }`'
  );
}
