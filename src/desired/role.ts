import { checkCallOptions, checkKernel, checkOptions, isText, namesOf, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { mapInSlices } from '../common/slices.js';
import { World } from '../items/world.js';
import type { CallOptions } from '../kernel/call.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import { namespacePath } from '../kernel/namespace.js';
import { describe, type RoleDescription } from '../roles/descriptions.js';
import type { Engine } from './apply/engine.js';
import { type Difference, differencesOf } from './difference.js';
import { ownerPattern } from './document/owner-name.js';
import { type Target, TargetBuilder } from './document/target.js';
import { type Step, toStep } from './plan/step.js';

/** Options of `Role.open()`. */
export interface RoleOptions extends OpenOptions {
  /**
   * Name that distinguishes roles of the same kind in one namespace, and names the nf_tables table (`ipvs-NAME`).
   * Default: the value of `role`. The last of the roles that want a sysctl restores it.
   */
  readonly name?: string | undefined;
  /**
   * File that records what the role has made, so that another program can take it back; `false` for no record. Default:
   * a file in /run/ipvs, one for each namespace and name.
   */
  readonly record?: string | false | undefined;
  /** Kernel to use instead of the machine's, for tests. */
  readonly kernel?: Kernel | undefined;
}

const optionNames = namesOf<RoleOptions>({
  namespace: true,
  name: true,
  record: true,
  kernel: true,
  signal: true,
  timeout: true,
});

const options = { adopt: 'none', adoptable: false } as const;

/**
 * Role of a machine in a load balancer, and the steps to it: kernel settings, interfaces, addresses, routes, marks,
 * services. It takes back only what it made itself; an address, a route or a setting that was right before stays when
 * the role is removed.
 *
 * @example
 * ```ts
 * import { Role } from 'ipvs';
 *
 * const role = await Role.open({ role: 'real-server', vip: '198.51.100.1', interface: 'eth0' });
 * await role.apply(); // ARP settings first, then the address
 * console.log(await role.verify()); // [] if nothing differs
 * await role.close();
 * ```
 */
export class Role {
  /** Name of the role within its namespace; also the name of its record. */
  readonly name: string;
  readonly #target: Target;
  readonly #engine: Engine;

  private constructor(name: string, target: Target, engine: Engine) {
    this.name = name;
    this.#target = target;
    this.#engine = engine;
  }

  /**
   * Checks the description, and opens the handles that it needs; changes nothing.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, `ERR_IPVS_RECORD` if the record cannot be read, and the errors of
   * {@link Network.open}
   */
  static async open(description: RoleDescription, options: RoleOptions = {}): Promise<Role> {
    checkOptions('a role', options, optionNames);
    if (typeof description !== 'object' || description === null)
      throw invalid(`a role must be an object, not ${show(description)}`);
    const { name = description.role, record, ...open } = options;
    checkCallOptions({ signal: open.signal, timeout: open.timeout });
    checkKernel(open.kernel, 'openIpvs', 'openConntrack', 'openNetfilter', 'openNetwork', 'openJournal', 'gracePeriod');
    if (open.namespace !== undefined) namespacePath(open.namespace);
    checkRecord(record);
    if (typeof name !== 'string' || !ownerPattern.test(name))
      throw invalid(`the name of a role must have 1 to 48 letters, digits, "_", "." and "-", not ${show(name)}`);
    const builder = new TargetBuilder();
    for (const part of describe(description, `ipvs-${name}`)) builder.add(part);
    const { Engine, placesOf } = await import('./planning.js');
    const { signal: _, ...later } = open; // the signal of this call, not of calls that open handles later
    const world = new World(later);
    try {
      const engine = new Engine(world, await placesOf(world.kernel, await world.network, name, record));
      await engine.begin(options);
      return new Role(name, builder.build(), engine);
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  /** Returns every step to the role, in order, with the current state. Changes nothing. */
  async plan(call: CallOptions = {}): Promise<Step[]> {
    checkCallOptions(call);
    const { steps } = await this.#engine.plan(this.#target, { ...options, keeps: true }, call);
    return mapInSlices(steps, toStep, call.signal);
  }

  /**
   * Does the remaining steps, in an order that never sends traffic to nothing. A repeated call does nothing, or repairs
   * what has changed. The signal counts until the work starts. If a step fails, what this call did before is taken
   * back, and the error names the step, and what is left if that failed, too.
   * @returns the steps that were done
   * @throws IpvsError `ERR_IPVS_FOREIGN` if something that the role did not make is in the way: nothing was done. Every
   * service that another owner, role or program made is in the way, also an identical one. `ERR_IPVS_STEP_FAILED`,
   * whose `cause` is the error of the step.
   */
  async apply(call: CallOptions = {}): Promise<Step[]> {
    checkCallOptions(call);
    return mapInSlices(await this.#engine.apply(this.#target, { ...options, onFailure: 'roll-back' }, call), toStep);
  }

  /**
   * Takes back what the role made, the last first, and restores the earlier values of sysctls, unless another program
   * has changed them since. If something cannot be taken back, the rest is, and the error lists what is left; the call
   * can be repeated.
   * @throws IpvsError `ERR_IPVS_STEP_FAILED`
   */
  async remove(call: CallOptions = {}): Promise<Step[]> {
    checkCallOptions(call);
    return mapInSlices(await this.#engine.remove(call), toStep);
  }

  /**
   * Returns the differences from the wanted state; empty if there are none. Changes nothing. Objects that others made
   * among those of the role (`foreign`), such as a server of its service, are no differences of a role.
   */
  async verify(call: CallOptions = {}): Promise<Difference[]> {
    checkCallOptions(call);
    const { steps } = await this.#engine.plan(this.#target, options, call);
    return (await differencesOf(steps, call.signal)).filter(({ problem }) => problem !== 'foreign');
  }

  /** Closes the handles; what it made stays. */
  close(): Promise<void> {
    return this.#engine.close();
  }

  /** Closes the handles, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRecord(record: unknown): void {
  if (record === undefined || record === false || (isText(record, limits.path) && record !== '')) return;
  throw invalid(`record must be a path or false, not ${show(record)}`);
}
