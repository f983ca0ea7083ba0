import { IpvsError } from '../kernel/errors.js';
import type { Failure } from './execute.js';
import { type PlannedStep, type Step, TableStep, toStep } from './step.js';
import { differenceWords, ownerWords } from './words.js';

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
  /**
   * Of each step that was tried; and of work that follows from them (stale flows, announcements, the record), if that
   * failed. Nothing is undone for stale flows and announcements: the record keeps them for the next apply.
   */
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

/** As many conflicts are listed in a message. */
const LISTED = 5;

/** `adoptable`: whether the caller can ask for adoption. `record`: the file of the owner, if it is not there. */
export function inTheWay(conflicts: readonly PlannedStep[], adoptable: boolean, record?: string): IpvsError {
  const lacking = conflicts.filter((step) => 'lacks' in step && step.lacks !== undefined);
  const [first] = lacking;
  if (first) {
    const isSysctl = 'lacks' in first && first.lacks === 'sysctl';
    return new IpvsError(
      isSysctl ? 'ERR_IPVS_NO_SUCH_SYSCTL' : 'ERR_IPVS_NO_SUCH_INTERFACE',
      `nothing was done: ${listOf(lacking.map(conflictWords))}`,
    );
  }
  const advice = new Set(conflicts.slice(0, LISTED).flatMap((step) => adviceOn(step, adoptable)));
  const isUnknown = conflicts.some((step) => !(step instanceof TableStep) || (step.owner ?? null) === null);
  const told = [`not applied: ${listOf(conflicts.map(conflictWords))}`, ...advice].join('. ');
  return new IpvsError('ERR_IPVS_FOREIGN', told + (adoptable && isUnknown ? lost(record) : ''));
}

function listOf(conflicts: readonly string[]): string {
  const more = conflicts.length > LISTED ? [`${conflicts.length - LISTED} more`] : [];
  return [...conflicts.slice(0, LISTED), ...more].join('; ');
}

function conflictWords(step: PlannedStep): string {
  if (!(step instanceof TableStep)) return `${step.what} (there is ${step.is})`;
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
  else ways.push(service.startsWith('FWM ') ? 'use another mark' : 'use another address or port');
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
