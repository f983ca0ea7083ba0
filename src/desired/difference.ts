import { forEachInSlices } from '../common/slices.js';
import { type PlannedStep, type Step, toStep } from './plan/step.js';
import { stateWords } from './plan/words.js';

/** A difference between the kernel and the wanted state of a role or document. */
export interface Difference {
  /**
   * Kind of difference. `missing`, `changed`: the owner made the object, or has to make it. `left`: the owner made it,
   * and no longer wants it. `foreign`: others made it among the owner's objects; it stays. `in-the-way`: others made it
   * where the owner wants another object, or something that the owner's object needs is missing (an interface, a
   * sysctl); an apply fails with `ERR_IPVS_FOREIGN`, `ERR_IPVS_NO_SUCH_INTERFACE` or `ERR_IPVS_NO_SUCH_SYSCTL`.
   */
  readonly problem: 'missing' | 'changed' | 'left' | 'foreign' | 'in-the-way';
  /** The object, as ip, nft and ipvsadm would write it. */
  readonly what: string;
  /** Actual state; for services and servers in the way also their owner. Absent if the object is missing. */
  readonly is?: string | undefined;
}

const problems: Readonly<Partial<Record<Step['action'], Difference['problem']>>> = {
  make: 'missing',
  change: 'changed',
  'take-back': 'left',
  // A server that is not wanted, and still gets connections.
  drain: 'left',
  foreign: 'foreign',
  conflict: 'in-the-way',
};

/** Returns the differences for which a plan has steps. */
export async function differencesOf(steps: readonly PlannedStep[], signal?: AbortSignal): Promise<Difference[]> {
  const differences: Difference[] = [];
  const add = (step: PlannedStep): void => {
    const problem = problems[step.action];
    // An unwanted object that has disappeared is no difference.
    if (problem === undefined || (problem === 'left' && step.reason?.why === 'gone')) return;
    const { what, ...state } = toStep(step);
    const is = stateWords(state);
    differences.push(is === undefined ? { problem, what } : { problem, what, is });
  };
  await forEachInSlices(steps, add, signal);
  return differences;
}
