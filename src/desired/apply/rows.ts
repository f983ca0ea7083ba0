import type { IpvsError } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import type { Ipvs } from '../../ipvs/ipvs.js';
import type { Rows } from '../../items/snapshot.js';
import type { ServerId } from '../../kernel/ipvs/ids.js';
import type { IpvsChange } from '../../kernel/ipvs/types.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { TableStep } from '../plan/step.js';

/** Sends the changes. Returns one error, or undefined, for each; an absent change succeeds. */
export async function send(
  ipvs: Ipvs,
  kernel: Kernel,
  changes: readonly (IpvsChange | undefined)[],
): Promise<readonly (IpvsError | undefined)[]> {
  const due = changes.filter((change) => change !== undefined);
  if (due.length === 0) return changes.map(() => undefined);
  const errors = await ipvs.send(due);
  // Otherwise the next count of its connections may be 0, and the server deleted, while a packet still creates one.
  if (due.some(takesNothingNew)) await kernel.gracePeriod();
  if (due.length === changes.length) return errors;
  let at = 0;
  return changes.map((change) => (change === undefined ? undefined : errors[at++]));
}

function takesNothingNew(change: IpvsChange): boolean {
  return change.command === 'SET_DEST' && change.server.weight === 0;
}

/** Collects the names of services and servers for a line of the journal. */
export class RowsBuilder {
  readonly #rows = recordOf<(ServerId | '')[]>([]);
  // Consecutive servers mostly belong to the same service.
  #last = '';
  #names: (ServerId | '')[] = [];

  add({ service, server }: TableStep): void {
    if (service !== this.#last) {
      this.#last = service;
      this.#names = this.#rows[service] ?? [];
      this.#rows[service] = this.#names;
    }
    this.#names.push(server ?? '');
  }

  get empty(): boolean {
    return this.#last === '';
  }

  get rows(): Rows {
    return this.#rows;
  }
}

/** Returns the services and servers of steps, as the journal has them. */
export function rowsOf(steps: readonly TableStep[]): Rows {
  const rows = new RowsBuilder();
  for (const step of steps) rows.add(step);
  return rows.rows;
}
