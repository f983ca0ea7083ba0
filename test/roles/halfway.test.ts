// What is left when a role is not taken to the end.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type ApplyError, Role, type RoleDescription } from '../../src/index.js';
import { KernelFailure } from '../../src/kernel/index.js';
import { director, failure, records, VIP } from './lan.js';
import { type Meddle, meddlingKernel } from './meddling.js';
import { byRouting, realServer, usePlace } from './place.js';

const EIO = 5;
const place = usePlace();

function failing(fails: (change: number) => boolean): Meddle {
  return (change, when) => {
    if (when === 'before' && fails(change)) throw new KernelFailure(EIO, 'it broke');
  };
}

describe.each([
  ['a director', byRouting],
  ['a real server', realServer],
] as const)('%s', (_, description) => {
  test('whichever change fails, nothing is left', async () => {
    let last = 0;
    for (let number = 1; last === 0; number++) {
      let healed = false;
      const role = await place.open(description, { meddle: failing((change) => change === number && !healed) });
      const error = await role.apply().then(
        () => undefined,
        (reason: unknown) => reason as Error & { code: string },
      );
      if (error) {
        expect(error).toMatchObject({ code: 'ERR_IPVS_STEP_FAILED', cause: expect.anything() });
        expect(error.message).toMatch(/^cannot (make|change) .*; everything done before it was undone$/);
        expect(await place.state()).toBe(place.before);
        expect(records()).toEqual([]);
      } else {
        last = number;
        healed = true;
        expect(await role.verify()).toEqual([]);
        await role.remove();
      }
    }
    expect(last).toBeGreaterThan(4); // rows of IPVS go to the kernel many at a time
  });

  test('if nothing works from some change on, what is left is said, and the next program takes it back', async () => {
    for (let number = 1, failed = true; failed; number++) {
      const role = await place.open(description, { meddle: failing((change) => change >= number) });
      const [ended] = await Promise.allSettled([role.apply()]);
      failed = ended.status === 'rejected';
      const reason: unknown = ended.status === 'rejected' ? ended.reason : undefined;
      const later = await place.open(description);
      const left = await later.remove();
      if (!failed) expect(number).toBeGreaterThan(3);
      else if (left.length === 0) expect(reason).toMatchObject({ message: expect.stringMatching(/undone$/), left: [] });
      else {
        const whats = left.map(({ what }) => what).sort();
        const told = (reason as ApplyError).left?.map(({ step }) => step.what).sort();
        expect(told).toEqual(whats.map((what) => expect.stringContaining(what)));
      }
      expect(await place.state()).toBe(place.before);
    }
  });

  test('who dies at any point leaves a record that the next program goes on from', async () => {
    let deaths = 0;
    for (let died = true; died; ) {
      const number = deaths + 1;
      died = false;
      const when = number % 2 ? 'before' : 'after';
      let stop = (): void => {};
      const stopped = new Promise<void>((resolve) => {
        stop = resolve;
      });
      const kernel = meddlingKernel((change, at) => {
        died ||= change === number && at === when;
        if (died) stop();
        return died ? new Promise(() => {}) : undefined;
      });
      const dead = await Role.open(description, { namespace: place.name, kernel });
      await Promise.race([dead.apply(), stopped]);
      if (died) deaths++;
      await kernel.die();
      const next = await place.open(description);
      if (number % 3) {
        await next.apply();
        expect(await next.verify()).toEqual([]);
      }
      await next.remove();
      expect(await place.state()).toBe(place.before);
    }
    expect(deaths).toBeGreaterThan(3); // rows of IPVS are sent together
  });
});

test('an interface that vanishes in the middle', async () => {
  for (let number = 1; number <= 3; number++) {
    const role = await place.open(director, {
      meddle: async (change, when) => {
        if (change === number && when === 'before') await place.network.deleteLink('lan');
      },
    });
    const error = await failure(role.apply());
    expect(error.code).toBe('ERR_IPVS_STEP_FAILED');
    expect(error.message).toMatch(/address 192\.168\.1\.100\/32 on lan: .*; everything done before it was undone$/);
    expect(error.cause).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_INTERFACE' });
    expect(await place.ipvs.table()).toEqual([]);
    expect(records()).toEqual([]);
    await place.network.addLink({ kind: 'dummy', name: 'lan', up: true });
    await place.network.addAddress({ interface: 'lan', address: '192.168.1.2/24' });
  }
  // A new interface has a new address of its own.
  await place.takeAsItIs();
});

test('an interface that vanishes afterwards is named; the rest can be taken back', async () => {
  const role = await place.open(realServer);
  await role.apply();
  await place.network.deleteLink('vip0');
  expect(await role.verify()).toEqual([
    { problem: 'missing', what: 'dummy link vip0' },
    { problem: 'missing', what: 'link vip0 up' },
    { problem: 'missing', what: `address ${VIP}/32 on vip0` },
  ]);
  await role.remove();
});

test('a program that is killed, and one that may not', async () => {
  const program = fileURLToPath(new URL('programs/apply.mjs', import.meta.url));
  const run = (description: RoleDescription, more: readonly string[], before: readonly string[] = []) => {
    const [command = '', ...args] = [...before, process.execPath, program, JSON.stringify(description), ...more];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (data) => {
      said += data;
    });
    return new Promise<{ said: string; signal: string | null }>((resolve) => {
      child.on('close', (_code, signal) => resolve({ said, signal }));
    });
  };
  const [powerless, killed] = await Promise.all([
    run(
      realServer,
      [],
      ['nsenter', `--net=/run/netns/${place.other}`, 'setpriv', '--bounding-set=-all', '--inh-caps=-all'],
    ),
    run(director, [place.name, '2']),
  ]);
  expect(powerless?.said).toMatch(/^ERR_IPVS_PERMISSION\n.*CAP_NET_ADMIN/s);
  expect(killed).toEqual({ said: '', signal: 'SIGKILL' });
  expect(records()).toHaveLength(1);

  const role = await place.open(director);
  const plan = await role.plan();
  expect(plan.map(({ action }) => action)).toEqual([...Array(4).fill('keep'), 'make', 'make', 'take-back']);
  expect(plan.at(-1)?.what).toBe('stale flows of FWM 80'); // of servers that came
  await role.apply();
  expect(await role.verify()).toEqual([]);
  await role.remove();
}, 240_000);
