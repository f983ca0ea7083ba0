import { checkCallOptions } from '../kernel/check.js';
import { Errno } from '../kernel/errno.js';
import { IpvsError, KernelFailure } from '../kernel/errors.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { NetfilterPort } from '../kernel/netfilter/port.js';
import type { TableChange, TableEntry } from '../kernel/netfilter/types.js';
import { rewriteLongChains } from './chain-rewrites.js';
import { commitError, markInTheWay, translate } from './errors.js';
import { interfacesOf, type Lists, withMainNames } from './main-names.js';
import { packetsKey } from './mark-options.js';
import { COMMENT, type Edits, planEdits } from './plan.js';

/** Changes from the table as it is; `uncertain`: they may have been made already. */
export type Plan = (table: TableEntry | undefined, uncertain: boolean) => TableChange[];

/** How often a batch is made anew because others changed rules at the same time. */
const ATTEMPTS = 100;
/** So many edits that wait at the same time become one batch. */
const MOST_TOGETHER = 1000;

interface Job {
  readonly run: (jobs: readonly Job[]) => Promise<void>;
  /** Only marks, with nothing special about the call: may go together with others. */
  readonly edits?: Edits | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The changes of one handle, one batch after the other: two at once would make one of them begin again. */
export class Commits {
  readonly #port: NetfilterPort;
  readonly #owner: string;
  /** The table without its elements, as of its generation; what is known to be outdated is not kept. */
  #table: { readonly entry: TableEntry | undefined; readonly generation: number } | undefined;
  #queue: Job[] = [];
  #running = false;

  constructor(port: NetfilterPort, owner: string) {
    this.#port = port;
    this.#owner = owner;
  }

  /** @throws IpvsError `ERR_IPVS_FOREIGN` */
  async read(elements: boolean, options: CallOptions | undefined): Promise<TableEntry | undefined> {
    checkCallOptions(options);
    const table = await this.#ask(() => this.#port.read(this.#owner, { ...options, elements }));
    if (table && table.comment !== COMMENT)
      throw new IpvsError(
        'ERR_IPVS_FOREIGN',
        `table inet ${this.#owner} was made by another program (its comment is not "${COMMENT}"); choose another owner`,
      );
    return table;
  }

  /** What the plan says of the table as it is then, with its elements. */
  change<T extends Lists>(
    options: CallOptions | undefined,
    wanted: T,
    plan: (wanted: T, ...now: Parameters<Plan>) => TableChange[],
  ): Promise<void> {
    checkCallOptions(options);
    return this.#enqueue(async () => {
      const resolved = await this.resolve(wanted, options);
      await this.#attempt(true, options, (table, uncertain) => plan(resolved, table, uncertain));
    }, options);
  }

  /** Alternative names of interfaces become main names; nothing is read where no interface is named. */
  async resolve<T extends Lists>(lists: T, options: CallOptions | undefined): Promise<T> {
    const names = interfacesOf(lists);
    if (names.length === 0) return lists;
    const found = await this.#ask(async () => this.#port.mainNames?.(names, options));
    return withMainNames(lists, found ?? new Map());
  }

  /**
   * Those of marks that wait at the same time are made together; if one fails, each for itself.
   * @returns the edits with the main names of interfaces
   */
  async edit(edits: Edits, options: CallOptions | undefined): Promise<Edits> {
    checkCallOptions(options);
    const { addRules, removeRules } = edits;
    const alone =
      options !== undefined || addRules.length > 0 || removeRules.length > 0 || interfacesOf({ ...edits }).length > 0;
    let made = edits;
    const run = async (jobs: readonly Job[]): Promise<void> => {
      if (alone) made = await this.resolve({ ...edits }, options);
      const all = jobs.length === 1 ? made : merge(jobs.flatMap((job) => job.edits ?? []));
      await this.#attempt(false, options, (table, uncertain) => planEdits(table, all, uncertain));
    };
    await this.#enqueue(run, options, alone ? undefined : edits);
    return made;
  }

  #enqueue(run: Job['run'], options: CallOptions | undefined, edits?: Edits): Promise<void> {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) return reject(signal.reason);
      const job: Job = { run, edits, resolve: () => settle(resolve), reject: (error) => settle(() => reject(error)) };
      const giveUp = (): void => {
        const at = this.#queue.indexOf(job);
        if (at < 0) return; // under way: its requests know the signal
        this.#queue.splice(at, 1);
        reject(signal?.reason);
      };
      const settle = (end: () => void): void => {
        signal?.removeEventListener('abort', giveUp);
        end();
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#queue.push(job);
      if (!this.#running) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#running = true;
    for (let jobs = this.#next(); jobs.length > 0; jobs = this.#next()) {
      try {
        await jobs[0]?.run(jobs);
        for (const job of jobs) job.resolve();
      } catch (error) {
        if (jobs.length === 1) jobs[0]?.reject(error);
        else for (const job of jobs) await job.run([job]).then(job.resolve, job.reject);
      }
    }
    this.#running = false;
  }

  /** The first that waits, and those behind it that can go with it: in any order the end is the same. */
  #next(): Job[] {
    const keys = new Set<string>();
    let count = 0;
    for (const { edits } of this.#queue) {
      if (!edits || count === MOST_TOGETHER) break;
      const own = [...edits.addMarks, ...edits.setMarks, ...edits.removeMarks].map(packetsKey);
      if (own.some((key) => keys.has(key))) break;
      for (const key of own) keys.add(key);
      count++;
    }
    return this.#queue.splice(0, Math.max(1, count));
  }

  /** Plans and commits, again and again while others are faster. */
  async #attempt(elements: boolean, options: CallOptions | undefined, plan: Plan): Promise<void> {
    // A commit whose end was not heard may have been made: what there is tells.
    let uncertain = false;
    for (let attempt = 1; ; attempt++) {
      const remembered = this.#table;
      const { entry, generation } = await this.#known(elements || uncertain, options);
      let changes: TableChange[];
      try {
        changes = plan(entry, uncertain);
      } catch (error) {
        // What cannot be, by what is remembered, may be possible by now.
        if (this.#table !== remembered || attempt === ATTEMPTS) throw error;
        this.#table = undefined;
        continue;
      }
      if (changes.length === 0) return;
      const rewritten = rewriteLongChains(entry, changes);
      const outdated = rewritten !== changes && remembered !== undefined && this.#table === remembered;
      this.#table = undefined;
      if (outdated && attempt < ATTEMPTS) continue; // with the counters of this moment
      changes = rewritten;
      try {
        await this.#port.commit(this.#owner, changes, { ...options, generation });
        const small = changes.every(({ change }) => change === 'add-element' || change === 'delete-element');
        if (small) this.#table = { entry, generation: generation + 1 };
        return;
      } catch (error) {
        const errno = error instanceof KernelFailure ? error.errno : undefined;
        if (errno === Errno.ENOBUFS) uncertain = true;
        const again = errno === Errno.ERESTART || errno === Errno.ENOBUFS;
        if (!again || attempt === ATTEMPTS) {
          throw commitError(this.#owner, changes, error, await this.#markInTheWay(changes, error, options));
        }
      }
    }
  }

  /** Which there is, of an element that could not be added; undefined if it cannot be told. */
  async #markInTheWay(
    changes: readonly TableChange[],
    error: unknown,
    options: CallOptions | undefined,
  ): Promise<number | undefined> {
    const added = markInTheWay(changes, error);
    // That it cannot be read is not what failed.
    return added && this.#port.markOf?.(this.#owner, added.map, added.element, options).catch(() => undefined);
  }

  async #known(
    elements: boolean,
    options: CallOptions | undefined,
  ): Promise<{ entry: TableEntry | undefined; generation: number }> {
    if (this.#table && !elements) return this.#table;
    // Before the table is read: if it is not there, nothing else tells of which moment that is.
    const before = await this.#ask(() => this.#port.generation(options));
    const entry = await this.read(elements, options);
    this.#table = { entry, generation: entry?.generation ?? before };
    return this.#table;
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translate({ command: 'read', action: 'read', object: `table inet ${this.#owner}` }, error);
    }
  }
}

function merge(all: readonly Edits[]): Edits {
  return {
    addMarks: all.flatMap(({ addMarks }) => addMarks),
    setMarks: all.flatMap(({ setMarks }) => setMarks),
    removeMarks: all.flatMap(({ removeMarks }) => removeMarks),
    addRules: [],
    removeRules: [],
  };
}
