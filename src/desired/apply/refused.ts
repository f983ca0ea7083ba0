import { Errno } from '../../common/errno.js';
import { IpvsError } from '../../common/errors.js';
import { knobOf } from '../../items/sysctl-knobs.js';
import type { ItemStep, PlannedStep } from '../plan/step.js';

/** Returns true if the kernel refused the value of a sysctl. It may take that value after another sysctl has changed. */
export function isRefusal({ item }: ItemStep, error: unknown): boolean {
  return item.kind === 'sysctl' && error instanceof IpvsError && error.errno === Errno.EINVAL;
}

/**
 * Steps for sysctls that the kernel refused. Sysctls may bound each other (`ip_unprivileged_port_start` and
 * `ip_local_port_range`, `ipfrag_low_thresh` and `ipfrag_high_thresh`): a refused step is due again once another sysctl
 * has changed.
 */
export class Refused {
  /** Number of steps for sysctls that succeeded. */
  #changed = 0;
  readonly #waiting = new Map<ItemStep, { readonly error: unknown; readonly changed: number }>();

  /** Adds a step that the kernel refused, with its error. */
  add(step: ItemStep, error: unknown): void {
    this.#waiting.set(step, { error, changed: this.#changed });
  }

  /** Counts a step that succeeded: if it was for a sysctl, the refused steps are due again. */
  succeeded({ item }: ItemStep): void {
    if (item.kind === 'sysctl') this.#changed++;
  }

  /** Removes and returns a step that is due again; undefined if none is. */
  next(): ItemStep | undefined {
    for (const [step, { changed }] of this.#waiting) {
      if (changed === this.#changed) continue;
      this.#waiting.delete(step);
      return step;
    }
    return undefined;
  }

  /** Removes and returns all steps, with their last errors. */
  end(): [ItemStep, unknown][] {
    const all = [...this.#waiting].map(([step, { error }]): [ItemStep, unknown] => [step, error]);
    this.#waiting.clear();
    return all;
  }

  /**
   * Returns true if a later step takes back a sysctl that may bound a refused one: both are in one directory, and the
   * sysctl changes no others.
   */
  mayWaitFor(step: PlannedStep): step is ItemStep {
    if (step.action !== 'take-back' || !('id' in step) || step.item.kind !== 'sysctl') return false;
    if (knobOf(step.item.name).resets) return false;
    const directory = directoryOf(step);
    return [...this.#waiting.keys()].some((one) => directoryOf(one) === directory);
  }
}

function directoryOf({ item }: ItemStep): string | undefined {
  return item.kind === 'sysctl' ? item.name.slice(0, item.name.lastIndexOf('/')) : undefined;
}
