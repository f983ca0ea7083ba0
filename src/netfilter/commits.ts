import { ask } from '../common/ask.js';
import { checkCallOptions } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { IpvsError, KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { NftBatchChange } from '../kernel/netfilter/changes.js';
import type { NetfilterPort } from '../kernel/netfilter/port.js';
import type { NftTableEntry } from '../kernel/netfilter/types.js';
import { rewriteLongChains } from './chain-rewrites.js';
import { type Edits, noEdits, planEdits } from './edit-plan.js';
import { commitError, markInTheWay, translate } from './errors.js';
import { interfacesOf, type Lists, withMainNames } from './main-names.js';
import { packetsKey } from './mark-options.js';
import { COMMENT } from './plan.js';

/** Returns the changes from the current table. `uncertain`: they may have been made already. */
export type Plan = (table: NftTableEntry | undefined, uncertain: boolean) => NftBatchChange[];

/** Maximum number of attempts for a batch, while others change rules at the same time. */
const ATTEMPTS = 100;
/** Maximum number of edits coalesced into one batch. */
const MOST_TOGETHER = 1000;

interface Job {
  readonly run: (jobs: readonly Job[]) => Promise<void>;
  /** Edits of marks only, without call options: they may be merged with others. */
  readonly edits?: Edits | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Commits the changes of one handle, one batch after the other: of two at once, one would have to start again. */
export class Commits {
  readonly #port: NetfilterPort;
  readonly #owner: string;
  /** The table without its elements, with its generation; undefined if it is known to be outdated. */
  #table: { readonly entry: NftTableEntry | undefined; readonly generation: number } | undefined;
  #queue: Job[] = [];
  #running = false;

  constructor(port: NetfilterPort, owner: string) {
    this.#port = port;
    this.#owner = owner;
  }

  /** Reads the table. @throws IpvsError `ERR_IPVS_FOREIGN` if another program made it */
  async read(elements: boolean, options: CallOptions | undefined): Promise<NftTableEntry | undefined> {
    const table = await this.#ask(options, () => this.#port.read(this.#owner, { ...options, elements }));
    if (table && table.comment !== COMMENT)
      throw new IpvsError(
        'ERR_IPVS_FOREIGN',
        `table inet ${this.#owner} was made by another program (its comment is not "${COMMENT}"); choose another owner`,
      );
    return table;
  }

  /** Commits the changes that `plan` returns for the current table, read with its elements unless it is to be deleted. */
  change<T extends Lists>(
    options: CallOptions | undefined,
    wanted: T,
    plan: (wanted: T, ...now: Parameters<Plan>) => NftBatchChange[],
    elements = true,
  ): Promise<void> {
    checkCallOptions(options);
    return this.#enqueue(async () => {
      const resolved = await this.resolve(wanted, options);
      await this.#attempt(elements, options, (table, uncertain) => plan(resolved, table, uncertain));
    }, options);
  }

  /** Replaces alternative names of interfaces by main names; reads nothing if no interface is named. */
  async resolve<T extends Lists>(lists: T, options: CallOptions | undefined): Promise<T> {
    const names = interfacesOf(lists);
    if (names.length === 0) return lists;
    const found = await this.#ask(options, async () => this.#port.mainNames?.(names, options));
    return withMainNames(lists, found ?? new Map());
  }

  /**
   * Commits edits. Edits of marks that wait at the same time become one batch; if it fails, each is committed
   * individually.
   * @returns the edits with the main names of interfaces
   */
  async edit(edits: Edits, options: CallOptions | undefined): Promise<Edits> {
    checkCallOptions(options);
    const alone = options !== undefined || !areMergeable(edits);
    let made = edits;
    const run = async (jobs: readonly Job[]): Promise<void> => {
      if (alone) made = await this.#resolveEdits(edits, options);
      const all = jobs.length === 1 ? made : merge(jobs.flatMap((job) => job.edits ?? []));
      await this.#attempt(false, options, (table, uncertain) => planEdits(table, all, uncertain));
    };
    await this.#enqueue(run, options, alone ? undefined : edits);
    return made;
  }

  /** Commits edits that are still checked, in the order of the calls: later edits wait for them. */
  async editChecked(edits: Promise<Edits>, options: CallOptions | undefined): Promise<void> {
    edits.catch(() => {}); // the job may start later than the edits fail
    await this.#enqueue(async () => {
      const made = await this.#resolveEdits(await edits, options);
      await this.#attempt(false, options, (table, uncertain) => planEdits(table, made, uncertain));
    }, options);
  }

  async #resolveEdits({ elements, ...lists }: Edits, options: CallOptions | undefined): Promise<Edits> {
    return { ...(await this.resolve(lists, options)), elements };
  }

  #enqueue(run: Job['run'], options: CallOptions | undefined, edits?: Edits): Promise<void> {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) return reject(signal.reason);
      const job: Job = { run, edits, resolve: () => settle(resolve), reject: (error) => settle(() => reject(error)) };
      const giveUp = (): void => {
        const at = this.#queue.indexOf(job);
        if (at < 0) return; // it has started: its requests have the signal
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

  /** Returns the first waiting job, and the following ones that can be merged with it: their order does not matter. */
  #next(): Job[] {
    const keys = new Set<string>();
    let count = 0;
    for (const { edits } of this.#queue) {
      if (!edits || count === MOST_TOGETHER) break;
      const own = [...edits.addMarks, ...edits.setMarks, ...edits.deleteMarks].map(packetsKey);
      if (own.some((key) => keys.has(key))) break;
      for (const key of own) keys.add(key);
      count++;
    }
    return this.#queue.splice(0, Math.max(1, count));
  }

  /** Plans and commits; repeats while other programs commit first. */
  async #attempt(elements: boolean, options: CallOptions | undefined, plan: Plan): Promise<void> {
    // A commit without an answer may have been made: only the table shows it.
    let uncertain = false;
    for (let attempt = 1; ; attempt++) {
      const remembered = this.#table;
      const { entry, generation } = await this.#known(elements || uncertain, options);
      let changes: NftBatchChange[];
      try {
        changes = plan(entry, uncertain);
      } catch (error) {
        // A plan that fails with the remembered table may succeed with the current one.
        if (this.#table !== remembered || attempt === ATTEMPTS) throw error;
        this.#table = undefined;
        continue;
      }
      if (changes.length === 0) return;
      const rewritten = rewriteLongChains(entry, changes);
      const outdated = rewritten !== changes && remembered !== undefined && this.#table === remembered;
      this.#table = undefined;
      if (outdated && attempt < ATTEMPTS) continue; // plan again with current counters
      changes = rewritten;
      try {
        await this.#port.commit(this.#owner, changes, { ...options, generation });
        const small = changes.every((change) => 'elements' in change);
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

  /** Returns the existing mark of an element that could not be added; undefined if it cannot be read. */
  async #markInTheWay(
    changes: readonly NftBatchChange[],
    error: unknown,
    options: CallOptions | undefined,
  ): Promise<number | undefined> {
    const added = markInTheWay(changes, error);
    // A failure to read it must not replace the error of the commit.
    return added && this.#port.markOf?.(this.#owner, added.map, added.element, options).catch(() => undefined);
  }

  async #known(
    elements: boolean,
    options: CallOptions | undefined,
  ): Promise<{ entry: NftTableEntry | undefined; generation: number }> {
    if (this.#table && !elements) return this.#table;
    // Read the generation before the table: if the table does not exist, nothing else shows the time of the read.
    const before = await this.#ask(options, () => this.#port.generation(options));
    const entry = await this.read(elements, options);
    this.#table = { entry, generation: entry?.generation ?? before };
    return this.#table;
  }

  #ask<T>(options: CallOptions | undefined, work: () => Promise<T>): Promise<T> {
    return ask(translate, { command: 'read', action: 'read', object: `table inet ${this.#owner}`, options }, work);
  }
}

/** Returns true for a few edits of marks, without names of interfaces. */
function areMergeable({ elements, ...lists }: Edits): boolean {
  const { addRules, deleteRules } = lists;
  return !elements && addRules.length === 0 && deleteRules.length === 0 && interfacesOf(lists).length === 0;
}

/** Returns edits of marks as one. */
function merge(all: readonly Edits[]): Edits {
  return {
    ...noEdits,
    addMarks: all.flatMap(({ addMarks }) => addMarks),
    setMarks: all.flatMap(({ setMarks }) => setMarks),
    deleteMarks: all.flatMap(({ deleteMarks }) => deleteMarks),
  };
}
