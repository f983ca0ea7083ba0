// A program that is killed before or after any call: the next one takes everything back, or goes on.
import { describe, expect, test } from 'vitest';
import { applyDocument, type DesiredDocument, DesiredState } from '../../src/index.js';
import { type Kernel, KernelFailure } from '../../src/kernel/index.js';
import { after, before, RecordWorld } from './record-world.js';

type Work = (state: DesiredState) => Promise<unknown>;
type Part = (document: DesiredDocument) => DesiredDocument;

interface Scene {
  /** The document that is complete when the program starts. */
  readonly first?: DesiredDocument;
  readonly document: DesiredDocument;
  readonly work: Work;
  /** What the next program applies before it removes everything; `undefined`: nothing. */
  readonly next: readonly (DesiredDocument | undefined)[];
}

const EBADF = 9;
const owner = 'a';
/** A second owner, which wants some of the settings that are to be changed or set back. */
const other: DesiredDocument = { owner: 'b', sysctls: { 'net.ipv4.vs.conntrack': 1 }, timeouts: { udp: 50 } };

/** Parts of the documents: each kill is tried with each of them. */
const parts: Record<string, Part> = {
  settings: ({ sysctls, timeouts }) => ({ owner, sysctls, timeouts }),
  tunnels: ({ roles = [] }) => ({ owner, roles: roles.filter(({ role }) => role === 'real-server') }),
  'rows of IPVS': ({ services }) => ({ owner, services }),
  'addresses, routes and rules': ({ addresses, nat, roles = [] }) => ({
    owner,
    addresses,
    nat,
    roles: roles.filter(({ role }) => role === 'direct-director'),
  }),
};

const apply: Work = (state) => state.apply();
function scenesOf(first: DesiredDocument, then: DesiredDocument): Record<string, Scene> {
  return {
    'the first apply': { document: first, work: apply, next: [undefined, then] },
    'a change': { first, document: then, work: apply, next: [undefined, first, then] },
    'an apply that wants nothing any more': { first, document: { owner }, work: apply, next: [undefined, first] },
    'a removal': { first: then, document: then, work: (state) => state.remove(), next: [undefined, first] },
  };
}

async function prepared({ first }: Scene): Promise<RecordWorld> {
  const world = await RecordWorld.begin();
  await applyDocument(other, { kernel: world.kernel });
  if (first) await applyDocument(first, { kernel: world.kernel });
  return world;
}

/** A kernel for one program, which opens nothing any more after a number of calls. */
function mortal({ kernel }: RecordWorld, calls: number): Kernel {
  const last = kernel.requests.length + calls;
  return new Proxy<Kernel>(kernel, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (kernel.requests.length >= last) return Promise.reject(new KernelFailure(EBADF, 'killed'));
        return value.apply(target, args) as unknown;
      };
    },
  });
}

/** Runs the work until it is killed at a call; returns the number of calls. */
async function run(scene: Scene, world: RecordWorld, call: number, carriedOut: boolean): Promise<number> {
  const begin = world.kernel.requests.length;
  if (call < Infinity) world.kernel.fail({ after: call, errno: 'killed', carriedOut });
  // What the program makes of its last call does not matter.
  await DesiredState.open(scene.document, { kernel: mortal(world, call + 1) })
    .then((state) => scene.work(state))
    .catch((error: unknown) => {
      if (call === Infinity) throw error;
    });
  world.kernel.clearFaults();
  return world.kernel.requests.length - begin;
}

async function enumerate(scene: Scene): Promise<void> {
  const pristine = await (await RecordWorld.begin()).state();
  const calls = await run(scene, await prepared(scene), Infinity, false);
  expect(calls).toBeGreaterThan(10);
  for (let call = 0; call < calls; call++) {
    for (const carriedOut of [false, true]) {
      for (const [index, next] of scene.next.entries()) {
        const world = await prepared(scene);
        const { kernel } = world;
        expect(await run(scene, world, call, carriedOut)).toBeGreaterThan(call);
        const where = `call ${call} of ${calls}, ${carriedOut ? 'after' : 'before'} it, next ${index}`;
        if (next) {
          await using state = await DesiredState.open(next, { kernel });
          await state.apply();
          expect([where, String(await state.plan())]).toEqual([where, expect.stringMatching(/^ *\d+ as wanted$/)]);
        }
        for (const document of [{ owner }, other]) {
          await using state = await DesiredState.open(document, { kernel });
          await state.remove();
        }
        expect([where, await world.records()]).toEqual([where, {}]);
        expect(await world.state(), where).toBe(pristine);
      }
    }
  }
}

describe.each(Object.entries(parts))('%s', (_, part) => {
  test.each(Object.entries(scenesOf(part(before), part(after))))(
    '%s that is killed at any call leaves a record that the next program takes back, or goes on from',
    (_, scene) => enumerate(scene),
    600_000,
  );
});

// The kernel refuses one of them until the other has changed, whichever is written first.
const ports = (range: string, unprivileged: number): DesiredDocument => ({
  owner,
  sysctls: { 'net.ipv4.ip_local_port_range': range, 'net.ipv4.ip_unprivileged_port_start': unprivileged },
});

// Both are right before the first apply, and a write of ip_forward changes them.
const parts4 = { 'net.ipv4.conf.eth0.forwarding': 0, 'net.ipv4.conf.all.accept_redirects': 1 };
const whole4 = { 'net.ipv4.ip_forward': 1 };

describe.each([
  ['settings that bound each other', ports('45000 60000', 40000), ports('2000 3000', 1500)],
  ['settings that a write resets', { owner, sysctls: parts4 }, { owner, sysctls: { ...parts4, ...whole4 } }],
  ['a setting that resets others', { owner, sysctls: whole4 }, { owner, sysctls: { ...whole4, ...parts4 } }],
])('%s', (_, first, then) => {
  test.each(Object.entries(scenesOf(first, then)))(
    '%s that is killed at any call leaves a record that the next program takes back, or goes on from',
    (_, scene) => enumerate(scene),
    600_000,
  );
});

/** Returns the last line of the record of the owner. */
async function lastLine(world: RecordWorld): Promise<string> {
  const [text = ''] = Object.entries(await world.records()).flatMap(([path, text]) =>
    path.endsWith('-a.json') ? [text] : [],
  );
  return text.trim().split('\n').at(-1) ?? '';
}

const NAME = 'net.ipv4.vs.sync_refresh_period';
const value = (value: string | number): DesiredDocument => ({ owner, sysctls: { [NAME]: value } });

describe('the value before the first change is set back', () => {
  const begin = async () => {
    const world = await RecordWorld.begin();
    world.kernel.namespace().setFile(`/proc/sys/${NAME.replaceAll('.', '/')}`, '7200\n');
    const pristine = await world.state();
    await applyDocument(value(111), { kernel: world.kernel });
    return { world, pristine };
  };
  const ends = async (world: RecordWorld, pristine: string): Promise<void> => {
    await using state = await DesiredState.open({ owner }, { kernel: world.kernel });
    await state.remove();
    expect(await world.state()).toBe(pristine);
    expect(await world.records()).toEqual({});
  };

  test.each([1, 2, 3])('after %i changes that the kernel refuses', async (times) => {
    const { world, pristine } = await begin();
    const { kernel } = world;
    for (let time = 0; time < times; time++) {
      kernel.fail({ command: 'writeFile', errno: 22 });
      await expect(applyDocument(value(222 + time), { kernel, onFailure: 'leave' })).rejects.toThrow();
    }
    await ends(world, pristine);
  });

  test('after a change that is refused, and one that is complete', async () => {
    const { world, pristine } = await begin();
    const { kernel } = world;
    kernel.fail({ command: 'writeFile', errno: 22 });
    await expect(applyDocument(value(222), { kernel, onFailure: 'leave' })).rejects.toThrow();
    await applyDocument(value(333), { kernel });
    expect(await lastLine(world)).not.toContain('tried');
    await ends(world, pristine);
  });

  test('after a change back to the value that the kernel still has', async () => {
    const { world, pristine } = await begin();
    const { kernel } = world;
    kernel.fail({ command: 'writeFile', errno: 22 });
    await expect(applyDocument(value(222), { kernel, onFailure: 'leave' })).rejects.toThrow();
    await applyDocument(value(111), { kernel });
    expect(await lastLine(world)).not.toContain('tried');
    await ends(world, pristine);
  });

  test('unless somebody else has set another value since', async () => {
    const { world } = await begin();
    const { kernel } = world;
    await applyDocument(value(222), { kernel });
    kernel.namespace().setFile(`/proc/sys/${NAME.replaceAll('.', '/')}`, '111\n');
    await using state = await DesiredState.open({ owner }, { kernel });
    await state.remove();
    expect(kernel.namespace().file(`/proc/sys/${NAME.replaceAll('.', '/')}`)).toBe('111\n');
  });
});
