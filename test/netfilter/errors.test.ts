// What can go wrong has a code, and nothing is sent that is wrong.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { Netfilter, type NetfilterChange, type NetfilterRuleOptions } from '../../src/index.js';
import { useWorld } from './world.js';

const world = useWorld();
const program = fileURLToPath(new URL('fixtures/worker.mjs', import.meta.url));
const code = (name: string) => ({ name: 'IpvsError', code: `ERR_IPVS_${name}` });
beforeEach(() => world.load('flush ruleset'));

describe('without privileges', () => {
  const limited = (...command: string[]): unknown =>
    JSON.parse(
      execFileSync(command[0] as string, [...command.slice(1), process.execPath, program, job], { encoding: 'utf8' }),
    );
  let job = '';

  test('without CAP_NET_ADMIN nothing is told or changed', () => {
    job = JSON.stringify({ job: 'try' });
    const caps = '-net_admin';
    const answers = limited(
      'nsenter',
      `--net=/run/netns/${world.namespace}`,
      'setpriv',
      '--bounding-set',
      caps,
      '--inh-caps',
      caps,
    );
    expect(new Set(answers as string[])).toEqual(new Set(['ERR_IPVS_PERMISSION']));
    expect(world.list()).toBe('');
  });

  test('without CAP_SYS_ADMIN no namespace is entered', () => {
    job = JSON.stringify({ job: 'enter', namespace: world.namespace });
    expect(limited('setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin')).toBe('ERR_IPVS_PERMISSION');
  });

  test('in a user namespace of its own it may do all', () => {
    job = JSON.stringify({ job: 'try' });
    const answers = limited('unshare', '--user', '--map-root-user', '--net');
    expect(answers).toEqual(['done', 'done', 'done', 'done', 'done', 'done', 'done']);
  });
});

test('opening', async () => {
  await expect(Netfilter.open({ namespace: 'no-such-namespace' })).rejects.toMatchObject(code('NO_SUCH_NAMESPACE'));
  await expect(Netfilter.open({ namespace: { path: '/etc/passwd' } })).rejects.toMatchObject(code('NO_SUCH_NAMESPACE'));
  const wrong = [
    { owner: '' },
    { owner: '1x' },
    { owner: 'a b' },
    { owner: 'x'.repeat(65) },
    { owner: 7 },
    { ower: 'x' },
    'x',
  ];
  for (const options of wrong)
    await expect(Netfilter.open(options as never), JSON.stringify(options)).rejects.toMatchObject(
      code('INVALID_ARGUMENT'),
    );
  const owner = `A-z.0_${'x'.repeat(58)}`;
  const netfilter = await world.open({ owner });
  await netfilter.addMark({ protocol: 'tcp', port: 1, mark: 1 });
  expect(world.list()).toContain(`table inet ${owner} {`);
});

describe('input that is refused before anything is sent', () => {
  /** A kernel that must not be asked. */
  const untouched = {
    openNetfilter: async () => {
      const never = async (): Promise<never> => {
        throw new Error('the kernel was asked');
      };
      return { read: never, generation: never, commit: never, listen: never, close: async () => {} };
    },
  };
  const open = () => Netfilter.open({ kernel: untouched });
  const mark = { protocol: 'tcp', port: 80 } as const;

  test.each([
    [undefined],
    [null],
    ['tcp'],
    [[]],
    [{}],
    [{ family: 7 }],
    [{ mask: 1 }],
    [{ port: 80 }],
    [{ protocol: 'tcp', port: 0 }],
    [{ protocol: 'tcp', port: 65536 }],
    [{ protocol: 'tcp', port: 1.5 }],
    [{ protocol: 'tcp', port: '80' }],
    [{ protocol: 'tcp', port: { from: 5, to: 4 } }],
    [{ protocol: 'tcp', port: { from: 5 } }],
    [{ protocol: 'tcp', port: { from: 5, to: 6, by: 1 } }],
    [{ protocol: 'icmp' }],
    [{ destination: '10.0.0.1/33' }],
    [{ destination: '10.0.0.0/0' }],
    [{ destination: '10.0.0.1/24' }],
    [{ destination: 'fd00::1/64' }],
    [{ destination: 'fe80::1%eth0' }],
    [{ destination: 'localhost' }],
    [{ destination: '10.0.0.1/' }],
    [{ destination: '10.0.0.0/8/8' }],
    [{ destination: 7 }],
    [{ source: '10.0.0.1', destination: 'fd00::1' }],
    [{ family: 'ipv6', destination: '10.0.0.1' }],
    [{ inputInterface: '' }],
    [{ inputInterface: 'x'.repeat(128) }],
    [{ inputInterface: 'a/b' }],
    [{ inputInterface: 'eth\u00e9' }],
    [{ inputInterface: '..' }],
    [{ outputInterface: 'eth0' }],
    [{ hook: 'output', inputInterface: 'eth0' }],
    [{ hook: 'input', outputInterface: 'eth0' }],
    [{ hook: 'forward', ...mark }],
    [{ ...mark, mask: 0 }],
    [{ ...mark, mask: -1 }],
    [{ ...mark, mask: 0xff00, mark: 0xff }],
    [{ ...mark, mark: 2 ** 32 }],
    [{ ...mark, mark: -1 }],
    [{ ...mark, mark: Number.NaN }],
    [{ ...mark, local: 'yes' }],
    [{ ...mark, prot: 'tcp' }],
  ])('a mark for %j', async (options) => {
    const netfilter = await open();
    const whole = typeof options === 'object' && options && !Array.isArray(options) ? { mark: 1, ...options } : options;
    await expect(netfilter.addMark(whole as never)).rejects.toMatchObject(code('INVALID_ARGUMENT'));
    await expect(netfilter.set({ marks: [{ ...mark, mark: 1 }, whole as never] })).rejects.toMatchObject({
      ...code('INVALID_ARGUMENT'),
      message: expect.stringMatching(/^marks\[1\]: /),
    });
    if (whole === options || !('mark' in (options as object)))
      await expect(netfilter.deleteMark(options as never)).rejects.toMatchObject(code('INVALID_ARGUMENT'));
  });

  test.each([
    [undefined],
    [{}],
    [{ type: 'nat' }],
    [{ type: 'masquerade' }],
    [{ type: 'masquerade', mark: -1 }],
    [{ type: 'masquerade', mark: { mark: 2, mask: 1 } }],
    [{ type: 'masquerade', mark: { mark: 2, mask: 0 } }],
    [{ type: 'masquerade', mark: '1' }],
    [{ type: 'masquerade', mark: 1, hook: 'prerouting' }],
    [{ type: 'masquerade', mark: 1, to: '10.0.0.1' }],
    [{ type: 'masquerade', local: 1 }],
    [{ type: 'snat', mark: 1 }],
    [{ type: 'snat', mark: 1, to: 'here' }],
    [{ type: 'snat', mark: 1, to: '10.0.0.0/8' }],
    [{ type: 'snat', destination: 'fd00::1', to: '10.0.0.1' }],
    [{ type: 'snat', to: '10.0.0.1' }],
    [{ type: 'dnat', mark: 1, to: '10.0.0.1', toPort: 80 }],
    [{ type: 'dnat', ...mark, to: '10.0.0.1', toPort: 0 }],
    [{ type: 'dnat', ...mark, to: '10.0.0.1', hook: 'postrouting' }],
    [{ type: 'dnat', ...mark, to: '10.0.0.1', outputInterface: 'eth0' }],
    [{ type: 'redirect', ...mark }],
    [{ type: 'redirect', mark: 1, toPort: 80 }],
    [{ type: 'clamp-mss' }],
    [{ type: 'clamp-mss', size: 87 }],
    [{ type: 'clamp-mss', size: 'mtu' }],
    [{ type: 'clamp-mss', size: 1000, protocol: 'udp' }],
    [{ type: 'clamp-mss', size: 1000, hook: 'input' }],
  ])('a rule %j', async (options) => {
    const netfilter = await open();
    const rule = options as NetfilterRuleOptions;
    await expect(netfilter.addRule(rule)).rejects.toMatchObject(code('INVALID_ARGUMENT'));
    await expect(netfilter.deleteRule(rule)).rejects.toMatchObject(code('INVALID_ARGUMENT'));
    await expect(netfilter.verify({ rules: [rule] })).rejects.toMatchObject(code('INVALID_ARGUMENT'));
  });

  test('changes and calls', async () => {
    const netfilter = await open();
    const add: NetfilterChange = { change: 'add-mark', mark: { ...mark, mark: 1 } };
    const wrong: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['no list', () => netfilter.apply({} as never)],
      ['no change', () => netfilter.apply([add, { change: 'add' } as never])],
      ['a hole', () => netfilter.apply(Object.assign([add], { 2: add }))],
      ['twice the same packets', () => netfilter.apply([add, { change: 'delete-mark', mark }])],
      ['what does not belong to it', () => netfilter.apply([{ ...add, rule: {} } as never])],
      [
        'twice the same packets in a state',
        () =>
          netfilter.set({
            marks: [
              { ...mark, mark: 1 },
              { ...mark, mark: 2 },
            ],
          }),
      ],
      ['no state', () => netfilter.set([] as never)],
      ['marks that are no list', () => netfilter.set({ marks: {} } as never)],
      ['a range from 0', () => netfilter.allocateMark(mark, { from: 0, to: 1 })],
      ['a range backwards', () => netfilter.allocateMark(mark, { from: 2, to: 1 })],
      ['a timeout of 0', () => netfilter.marks({ timeout: 0 })],
      ['no signal', () => netfilter.watch({ signal: {} as never })],
      ['another option', () => netfilter.deleteTable({ force: true } as never)],
    ];
    for (const [name, call] of wrong)
      await expect((async () => call())(), name).rejects.toMatchObject(code('INVALID_ARGUMENT'));
  });
});

test('a handle that is closed', async () => {
  const netfilter = await world.open();
  await netfilter.addMark({ protocol: 'tcp', port: 1, mark: 1 });
  const watch = await netfilter.watch();
  const waiting = watch.next();
  const under = netfilter.addMark({ protocol: 'tcp', port: 2, mark: 1 });
  const settled = Promise.allSettled([waiting, under]);
  await netfilter.close();
  const [told, added] = await settled;
  if (told.status === 'rejected') expect(told.reason).toMatchObject(code('CLOSED'));
  if (added.status === 'rejected') expect(added.reason).toMatchObject(code('CLOSED'));
  const calls = [
    () => netfilter.marks(),
    () => netfilter.rules(),
    () => netfilter.addMark({ protocol: 'tcp', port: 3, mark: 1 }),
    () => netfilter.set({}),
    () => netfilter.watch(),
    () => netfilter.deleteTable(),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject(code('CLOSED'));
  await netfilter.close();
  expect(await world.netfilter.mark({ protocol: 'tcp', port: 1 })).toMatchObject({ mark: 1 });
});

test('giving up', async () => {
  const { netfilter } = world;
  const signal = AbortSignal.abort(new Error('no'));
  const mark = { protocol: 'tcp', port: 1, mark: 1 } as const;
  const calls = [
    () => netfilter.marks({ signal }),
    () => netfilter.addMark(mark, { signal }),
    () => netfilter.allocateMark({ protocol: 'tcp', port: 1 }, { from: 1, to: 2 }, { signal }),
    () => netfilter.set({ marks: [mark] }, { signal }),
    () => netfilter.watch({ signal }),
  ];
  for (const call of calls) await expect(call()).rejects.toThrow('no');
  expect(world.list()).toBe('');
  // One that is given up half-way does not stop those behind it.
  const controller = new AbortController();
  const many = Array.from({ length: 20_000 }, (_, i) => ({ destination: `10.1.${i >> 8}.${i & 255}`, mark: 1 }));
  const first = netfilter.set({ marks: many }, { signal: controller.signal });
  const second = netfilter.addMark(mark);
  controller.abort(new Error('enough'));
  await expect(first).rejects.toThrow('enough');
  await second;
  expect(await netfilter.mark({ protocol: 'tcp', port: 1 })).toMatchObject({ mark: 1 });
});

test('a kernel that is slow', async () => {
  const netfilter = await world.open();
  const marks = Array.from({ length: 60_000 }, (_, i) => ({
    destination: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    mark: 1,
  }));
  await expect(netfilter.set({ marks }, { timeout: 1 })).rejects.toMatchObject(code('TIMEOUT'));
  await netfilter.set({ marks: [{ protocol: 'tcp', port: 1, mark: 1 }] }, { timeout: Number.POSITIVE_INFINITY });
  expect(await world.netfilter.marks()).toHaveLength(1);
});
