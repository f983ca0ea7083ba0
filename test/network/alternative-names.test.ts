// Alternative names of interfaces where the kernel only knows the main one: nf_tables, rules and /proc/sys.
import { execFileSync } from 'node:child_process';
import { beforeAll, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState, Netfilter, Network, Role } from '../../src/index.js';
import { usePlaces } from './world.js';

const [here] = usePlaces(1);
if (!here) throw new Error('no place');
const LONG = `lan-${'x'.repeat(120)}`;
const run = (...command: string[]): string =>
  execFileSync('ip', ['netns', 'exec', here.name, ...command], { encoding: 'utf8' });

beforeAll(() =>
  here.ip(
    'link add e0 type veth peer name e1',
    'link set e0 up',
    'link set e1 up',
    `link property add dev e0 altname lan altname ${LONG}`,
  ),
);

test.each(['lan', LONG])('a rule of nf_tables for the interface %s has its main name', async (name) => {
  await using netfilter = await Netfilter.open({ namespace: here.name });
  const rule = { type: 'masquerade', outputInterface: name } as const;
  const mark = { inputInterface: name, protocol: 'udp', mark: 7 } as const;
  await netfilter.set({ marks: [mark, { ...mark, inputInterface: 'e0' }], rules: [rule] });
  const listed = run('nft', 'list', 'ruleset');
  expect(listed.match(/iifname .* udp/g)).toEqual(['iifname "e0" meta l4proto udp']);
  expect(listed).toContain('oifname "e0"');
  expect(await netfilter.verify({ marks: [mark], rules: [rule] })).toEqual([]);
  await netfilter.deleteRule(rule);
  await netfilter.deleteMark({ inputInterface: name, protocol: 'udp' });
  expect((await netfilter.addMark(mark)).match.inputInterface).toBe('e0');
  await netfilter.deleteTable();
});

test('a name that no interface has stays, if it can be a main name', async () => {
  await using netfilter = await Netfilter.open({ namespace: here.name });
  await netfilter.addRule({ type: 'masquerade', outputInterface: 'later' });
  expect(run('nft', 'list', 'ruleset')).toContain('oifname "later"');
  await expect(netfilter.addRule({ type: 'masquerade', outputInterface: 'later-than-others' })).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  });
  await netfilter.deleteTable();
});

test('a routing rule has the main name, and is deleted by the alternative one', async () => {
  await using network = await Network.open({ namespace: here.name });
  const rule = { family: 'ipv4', inputInterface: LONG, table: 7 } as const;
  await network.addRule(rule);
  expect(run('ip', 'rule')).toMatch(/iif e0 lookup 7/);
  await network.deleteRule(rule);
  expect(run('ip', 'rule')).not.toContain('lookup 7');
  await expect(network.addRule({ ...rule, inputInterface: `${LONG}y` })).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  });
});

test('the role real-server takes one, is as wanted, and is removed', async () => {
  const role = await Role.open(
    { role: 'real-server', vip: '10.9.9.9', interface: LONG },
    { namespace: here.name, record: false },
  );
  const setting = (): string => run('sysctl', '-n', 'net.ipv4.conf.e0.arp_announce').trim();
  await role.apply();
  expect(setting()).toBe('2');
  expect(await role.verify()).toEqual([]);
  await role.remove();
  expect(setting()).toBe('0');
  await role.close();
});

test('a document that names the interface otherwise changes nothing, and all of it goes in the end', async () => {
  const address = '10.20.0.1/32';
  const spelt = (name: string): DesiredDocument => ({
    owner: 'spelling',
    namespace: here.name,
    addresses: [{ interface: name, address }],
    sysctls: { [`net/ipv4/conf/${name}/arp_ignore`]: 1 },
    nat: [{ type: 'masquerade', outputInterface: name }],
  });
  const before = run('ip', '-4', 'addr', 'show', 'e0');
  await using state = await DesiredState.open(spelt('lan'), { record: false });
  await state.apply();
  const made = run('ip', '-4', 'addr', 'show', 'e0') + run('nft', 'list', 'ruleset');
  expect(made).toContain(address);
  expect(made).toContain('oifname "e0" counter packets 0 bytes 0 masquerade');
  for (const name of ['e0', LONG, 'lan']) {
    expect((await state.plan(spelt(name))).changes, name).toEqual([]);
    await state.apply(spelt(name));
    expect(run('ip', '-4', 'addr', 'show', 'e0') + run('nft', 'list', 'ruleset')).toBe(made);
    expect(run('sysctl', '-n', 'net.ipv4.conf.e0.arp_ignore').trim()).toBe('1');
  }
  await state.remove();
  expect(run('ip', '-4', 'addr', 'show', 'e0')).toBe(before);
  expect(run('sysctl', '-n', 'net.ipv4.conf.e0.arp_ignore').trim()).toBe('0');
});
