import { checkCallOptions, checkFlag, checkOneOf, namesOf, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CheckedDocument } from './document/document.js';
import type { DrainOptions } from './drain.js';
import type { Adoption } from './plan/table-plan.js';

/** Options of `DesiredState.open()`. */
export interface DesiredStateOptions extends CallOptions {
  /**
   * File that records what the owner has made, so that another program can resume; `false` for no record. Default: a
   * file in /run/ipvs, one for each namespace and owner.
   */
  readonly record?: string | false | undefined;
  /** Kernel to use instead of the machine's, for tests. */
  readonly kernel?: Kernel | undefined;
}

/** Options of `DesiredState.plan()`. */
export interface PlanDocumentOptions extends CallOptions {
  /**
   * Takes over services and servers that another owner or another program made.
   * `false`, the default: a service that another one made is a conflict, even with the same settings, unless the
   * document shares it (`shared: true`); so is a server with other settings within an own or a shared service.
   * `true`: wanted services and servers become the owner's, except services with `shared: true` and their servers.
   * `'all'`: the whole table of the namespace becomes the owner's, and unwanted rows are deleted.
   * The record of another owner does not change: that owner still counts the rows as its own.
   * `true` also takes the other wanted objects that the owner has no record of: links, addresses, routes, rules, GUE
   * ports, marks and NAT, which `remove()` then deletes, and sysctls and timeouts, which keep the value that they have
   * when they are adopted. A link that is up stays up. The plan then has a step `foreign` for each object that the
   * document does not want and an earlier run of the owner may have left: services of the namespace; addresses of one
   * host (/32, /128) on interfaces, and routes and rules of tables, that the document names; the owner's table of
   * nf_tables.
   */
  readonly adopt?: boolean | 'all' | undefined;
}

/** Options of `DesiredState.apply()`. */
export interface ApplyDocumentOptions extends PlanDocumentOptions {
  /**
   * Action when a step fails. `roll-back`, the default: undoes what this call did before. `leave`: keeps it, and the
   * next apply resumes; steps that are pipelined with the failed one are done, too.
   */
  readonly onFailure?: 'roll-back' | 'leave' | undefined;
  /** True if the call waits until the draining servers are gone. Default: false; see {@link DesiredState.drain}. */
  readonly settle?: boolean | undefined;
}

/** Options of `DesiredState.watch()`. */
export interface WatchDocumentOptions extends PlanDocumentOptions {
  /** True if differences are repaired. Default: false. */
  readonly repair?: boolean | undefined;
  /**
   * Interval between two reads of the IPVS table, which has no events, in milliseconds; from 10, default 2000. Changes
   * of marks, NAT, addresses, links, routes and rules are seen at once.
   */
  readonly interval?: number | undefined;
}

const call = { signal: true, timeout: true } as const;

export const openNames = namesOf<DesiredStateOptions>({ record: true, kernel: true, ...call });
export const planNames = namesOf<PlanDocumentOptions>({ adopt: true, ...call });
export const applyNames = namesOf<ApplyDocumentOptions>({ adopt: true, onFailure: true, settle: true, ...call });
export const watchNames = namesOf<WatchDocumentOptions>({ adopt: true, repair: true, interval: true, ...call });
export const drainNames = namesOf<DrainOptions>({ interval: true, ...call });

export function callOptions({ signal, timeout }: CallOptions): CallOptions {
  checkCallOptions({ signal, timeout });
  return { signal, timeout };
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkApply({ adopt = false, onFailure = 'roll-back', settle = false }: ApplyDocumentOptions): void {
  adoptionOf(adopt);
  checkOneOf('onFailure', onFailure, ['roll-back', 'leave']);
  checkFlag('settle', settle);
}

export function planOptions(checked: CheckedDocument | undefined, { adopt = false }: PlanDocumentOptions) {
  return { adopt: adoptionOf(adopt), drain: checked?.document.drain };
}

export function adoptionOf(adopt: unknown): Adoption {
  if (adopt !== 'all' && typeof adopt !== 'boolean')
    throw invalid(`adopt must be true, false or 'all', not ${show(adopt)}`);
  return adopt === 'all' ? 'all' : adopt ? 'wanted' : 'none';
}
