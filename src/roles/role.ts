import { readFile } from 'node:fs/promises';
import { checkOptions, show } from '../kernel/check.js';
import { IpvsError, invalid } from '../kernel/errors.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import type { Network } from '../network/network.js';
import { describe, type RoleDescription } from './descriptions.js';
import { handlerOf } from './handlers/index.js';
import type { Item } from './items.js';
import { type PlannedStep, planRole, type RoleStep, takeBacks, wordsOf } from './plan.js';
import { type Entry, Record } from './record.js';
import { Readings, World } from './world.js';

export interface RoleOptions extends OpenOptions {
  /**
   * Tells roles of the same kind in one namespace apart, and names the table of nf_tables
   * (`ipvs-NAME`). Default: what `role` says. They do not count what they share, such as sysctls: what the
   * first one set goes with it.
   */
  readonly name?: string | undefined;
  /**
   * Where what the role has made is recorded, so that another program can take it back: a file, or
   * `false` for nowhere. Default: a file in /run/ipvs, one for each namespace and name.
   */
  readonly record?: string | false | undefined;
  /** Another kernel than this machine's, for tests. */
  readonly kernel?: Kernel | undefined;
}

/** Something that is not as it should be. */
export interface RoleProblem {
  readonly what: string;
  /** `missing`; or how it is instead. */
  readonly is: string;
}

const DIRECTORY = '/run/ipvs';

/**
 * What a machine is to be in a load balancer, and the steps to it: kernel settings, interfaces,
 * addresses, routes, marks, services. Only what the role made itself is ever taken back; what was
 * there as it should be stays when the role goes.
 */
export class Role {
  readonly name: string;
  readonly #items: readonly Item[];
  readonly #world: World;
  /** Of the record; none: it is only in memory. */
  readonly #path: string | undefined;
  #record: Record;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(name: string, items: readonly Item[], world: World, path: string | undefined, record: Record) {
    this.name = name;
    this.#items = items;
    this.#world = world;
    this.#path = path;
    this.#record = record;
  }

  /**
   * Checks the description, and opens what it takes; nothing is changed.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, `ERR_IPVS_RECORD` if the record can not be read,
   * and as {@link Network.open}
   */
  static async open(description: RoleDescription, options: RoleOptions = {}): Promise<Role> {
    checkOptions('a role', options, ['namespace', 'name', 'record', 'kernel', 'signal', 'timeout']);
    if (typeof description !== 'object' || description === null)
      throw invalid(`a role is an object, not ${show(description)}`);
    const { name = description.role, record, ...open } = options;
    if (record !== undefined && record !== false && (typeof record !== 'string' || record === ''))
      throw invalid(`record is a path or false, not ${show(record)}`);
    if (typeof name !== 'string' || !/^[A-Za-z0-9_.-]{1,48}$/.test(name))
      throw invalid(`a role has a name of letters, digits, "_", "." and "-"`);
    const items = describe(description, `ipvs-${name}`);
    const { signal: _, ...later } = open; // that of this call, not of those that open more later
    const world = new World(later);
    try {
      const path = record === false ? undefined : (record ?? (await defaultPath(await world.network, name)));
      return new Role(name, items, world, path, await Record.open(path));
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  /** Every step to the role, in order, with what is there now. Nothing is changed. */
  async plan(): Promise<RoleStep[]> {
    return (await this.#plan()).map(toStep);
  }

  /**
   * Does the steps that are left, in an order that never sends traffic to nothing. Repeated, it does
   * nothing, or mends what has changed. If one fails, what this call did before is taken back, and
   * the error says which step it was, and what is left if that failed, too.
   * @returns the steps that were done
   * @throws IpvsError `ERR_IPVS_FOREIGN` if something is in the way that the role did not make:
   * nothing was done. `ERR_IPVS_STEP_FAILED`, whose `cause` is the error of the step.
   */
  apply(): Promise<RoleStep[]> {
    return this.#inTurn(async () => {
      await this.#readRecord();
      const done: { step: PlannedStep; before: Entry | undefined }[] = [];
      const due = await this.#due();
      await this.#doAll(due, done);
      // With a link that was made anew went what stood on it.
      const anew = due.some(({ action, item }) => action === 'change' && item.kind === 'link');
      if (anew) await this.#doAll(await this.#due(), done);
      return done.map(({ step }) => toStep(step));
    });
  }

  async #due(): Promise<PlannedStep[]> {
    const steps = await this.#plan();
    const conflicts = steps.filter(({ action }) => action === 'conflict');
    if (conflicts.length > 0) throw inTheWay(conflicts);
    return steps.filter(({ action }) => action !== 'keep');
  }

  async #doAll(due: readonly PlannedStep[], done: { step: PlannedStep; before: Entry | undefined }[]): Promise<void> {
    for (const step of due) {
      const before = this.#record.find(step.name);
      try {
        await this.#do(step);
      } catch (error) {
        // What somebody else made at the same time is not to be taken back.
        const recorded = before !== undefined || done.some((other) => other.step.name === step.name);
        if (!isThere(error)) done.push({ step, before });
        else if (!recorded) await this.#record.remove(step.name);
        throw stepFailed(step, error, await this.#undo(done));
      }
      done.push({ step, before });
    }
  }

  /**
   * Takes back what the role made, the last first, and gives sysctls the values they had, unless
   * somebody else has changed them since. If something can not be taken back, the rest is, and the
   * error says what is left; it can be repeated.
   * @throws IpvsError `ERR_IPVS_STEP_FAILED`
   */
  remove(): Promise<RoleStep[]> {
    return this.#inTurn(async () => {
      await this.#readRecord();
      const done: RoleStep[] = [];
      const failed: { step: PlannedStep; error: unknown }[] = [];
      for (const step of takeBacks(this.#record.entries)) {
        try {
          await this.#do(step);
          done.push(toStep(step));
        } catch (error) {
          failed.push({ step, error });
        }
      }
      const [first] = failed;
      if (first)
        throw stepFailed(
          first.step,
          first.error,
          failed.map(({ step }) => step.what),
        );
      return done;
    });
  }

  /** What is not as it should be; empty if all is. */
  async verify(): Promise<RoleProblem[]> {
    const steps = await this.#plan();
    return steps
      .filter(({ action }) => action !== 'keep')
      .map(({ action, what, is }) => ({ what, is: action === 'take-back' ? 'there still' : (is ?? 'missing') }));
  }

  /** Closes its handles; what it made stays. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#world.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Another handle, or another program, may have written it since. */
  async #readRecord(): Promise<void> {
    if (this.#path !== undefined) this.#record = await Record.open(this.#path);
  }

  #plan(): Promise<PlannedStep[]> {
    return planRole(this.#items, this.#record, new Readings(this.#world));
  }

  async #do({ action, item, name }: PlannedStep): Promise<void> {
    const handler = handlerOf(item);
    const recorded = this.#record.find(name);
    if (action === 'take-back') {
      await handler.takeBack(item, recorded?.before, this.#world);
      await this.#record.remove(name);
      return;
    }
    // Of what was recorded before, what was there at first counts.
    const before = recorded ? recorded.before : await handler.remember?.(item, this.#world);
    await this.#record.put({ name, item, ...(before !== undefined && { before }) });
    await (action === 'change' && handler.change ? handler.change(item, this.#world) : handler.make(item, this.#world));
  }

  /** Back to how it was before these steps; what could not be, in words. */
  async #undo(done: readonly { step: PlannedStep; before: Entry | undefined }[]): Promise<string[]> {
    const left: string[] = [];
    for (const { step, before } of [...done].reverse()) {
      const handler = handlerOf(step.item);
      try {
        if (before) {
          // Made by an earlier call, and changed or taken back by this one.
          if (step.action === 'take-back') await this.#makeAgain(before.item);
          else if (step.action === 'change') await handler.change?.(before.item, this.#world);
          else if (step.action === 'make') await handler.takeBack(step.item, before.before, this.#world);
          await this.#record.put(before);
        } else {
          const entry = this.#record.find(step.name);
          if (entry) await handler.takeBack(step.item, entry.before, this.#world);
          await this.#record.remove(step.name);
        }
      } catch (error) {
        left.push(`${wordsOf(step.item)} (${error instanceof Error ? error.message : String(error)})`);
      }
    }
    return left;
  }

  /** If it is there still, its taking back had failed. */
  async #makeAgain(item: Item): Promise<void> {
    try {
      await handlerOf(item).make(item, this.#world);
    } catch (error) {
      if (!isThere(error)) throw error;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** Another one after the machine was started again: cookies begin anew then. */
async function defaultPath({ cookie }: Network, name: string): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${DIRECTORY}/${boot.slice(0, 8)}-${cookie}-${name}.json`;
}

function isThere(error: unknown): boolean {
  return error instanceof IpvsError && error.code.endsWith('_EXISTS');
}

function toStep({ action, what, is }: PlannedStep): RoleStep {
  return is === undefined ? { action, what } : { action, what, is };
}

function inTheWay(conflicts: readonly RoleStep[]): IpvsError {
  const list = conflicts.map(({ what, is }) => `${what} (there is ${is})`).join('; ');
  return new IpvsError(
    'ERR_IPVS_FOREIGN',
    `cannot take the role: others made what is in the way; nothing was done: ${list}`,
  );
}

function stepFailed(step: RoleStep, cause: unknown, left: readonly string[]): IpvsError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const rest = left.length === 0 ? 'what was done before it was taken back' : `left: ${left.join('; ')}`;
  return new IpvsError(
    'ERR_IPVS_STEP_FAILED',
    `cannot ${step.action.replace('-', ' ')} ${step.what}: ${reason}; ${rest}`,
    {
      cause,
    },
  );
}
