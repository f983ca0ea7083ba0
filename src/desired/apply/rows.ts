import type { IpvsError } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import { forEachInSlices, pauseIfDue } from '../../common/slices.js';
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
  await pauseIfDue(due.length);
  const errors = await ipvs.send(due);
  await pauseIfDue(due.length);
  // Otherwise the next count of its connections may be 0, and the server deleted, while a packet still creates one.
  if (due.some(takesNothingNew)) await kernel.gracePeriod();
  if (due.length === changes.length) return errors;
  let at = 0;
  return changes.map((change) => (change === undefined ? undefined : errors[at++]));
}

function takesNothingNew(change: IpvsChange): boolean {
  return change.command === 'SET_DEST' && change.server.weight === 0;
}

/** Maximum number of rows in one line of the journal: a line is written, and read, in one turn of the event loop. */
const MOST = 128;

/** Collects the names of services and servers for lines of the journal. */
export class RowsBuilder {
  /** The rows of each line. */
  readonly lines: Rows[] = [];
  #rows = recordOf<(ServerId | '')[]>([]);
  #count = MOST;
  // Consecutive servers mostly belong to the same service.
  #last = '';
  #names: (ServerId | '')[] = [];

  add({ service, server }: TableStep): void {
    if (this.#count >= MOST) this.#begin();
    this.#count++;
    if (service !== this.#last) {
      this.#last = service;
      this.#names = this.#rows[service] ?? [];
      this.#rows[service] = this.#names;
    }
    this.#names.push(server ?? '');
  }

  #begin(): void {
    this.#rows = recordOf<(ServerId | '')[]>([]);
    this.lines.push(this.#rows);
    this.#count = 0;
    this.#last = '';
  }
}

/** Returns the services and servers of steps, as lines of the journal have them. */
export async function rowsOf(steps: readonly TableStep[]): Promise<readonly Rows[]> {
  const rows = new RowsBuilder();
  await forEachInSlices(steps, (step) => rows.add(step));
  return rows.lines;
}
