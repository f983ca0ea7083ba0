import { describe, expect, test } from 'vitest';
import { Network } from '../../src/index.js';
import { untilPasses } from '../until.js';
import { failure, hasKind, usePlaces } from './world.js';

const [here, there] = usePlaces(2);
if (!here || !there) throw new Error('no places');

interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly mtu: number;
  readonly address: string;
  readonly flags: readonly string[];
  readonly operstate: string;
  readonly master?: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Record<string, unknown> };
}

async function compareOnce(): Promise<void> {
  const links = await here?.network.links();
  const theirs = here?.json<IpLink>('ip', '-j', '-d', 'link') ?? [];
  expect(links?.map(({ index, name, mtu, up, master }) => ({ index, name, mtu, up, master }))).toEqual(
    theirs.map(({ ifindex, ifname, mtu, flags, master }) => ({
      index: ifindex,
      name: ifname,
      mtu,
      up: flags.includes('UP'),
      master,
    })),
  );
  for (const link of links ?? []) {
    const other = theirs.find(({ ifindex }) => ifindex === link.index);
    const state = { UP: 'up', DOWN: 'down', UNKNOWN: 'unknown', LOWERLAYERDOWN: 'lower-layer-down' };
    expect(link.operationalState).toBe(state[other?.operstate as keyof typeof state]);
    if (link.address !== undefined) expect(link.address).toBe(other?.address);
    if (other?.linkinfo?.info_kind) expect(link.kind).toBe(other.linkinfo.info_kind);
  }
}

/** A link that comes up between the two readings makes them differ once. */
const compare = (): Promise<void> => untilPasses(compareOnce, 2000);

test('lo is a loopback, and what ip says of links is what is read', async () => {
  expect(await here.network.link('lo')).toMatchObject({ name: 'lo', kind: 'loopback', up: true, running: true });
  await compare();
});

test('veth: both ends, in one namespace and in two', async () => {
  const link = await here.network.addLink({
    kind: 'veth',
    name: 'one',
    mtu: 1400,
    address: '02:42:0A:00:00:01',
    up: true,
    peer: { name: 'two', mtu: 1300, up: true, address: '02:42:0a:00:00:02' },
  });
  expect(link).toMatchObject({ name: 'one', kind: 'veth', mtu: 1400, address: '02:42:0a:00:00:01', up: true });
  expect(link.data).toMatchObject({ kind: 'veth', peer: 'two' });
  // The kernel works out the carrier later, in a work queue.
  await untilPasses(async () =>
    expect(await here.network.link('two')).toMatchObject({ mtu: 1300, up: true, running: true }),
  );
  await here.network.addLink({ kind: 'veth', name: 'near', peer: { name: 'far', namespace: there.name, up: true } });
  const near = await here.network.link('near');
  const far = await there.network.link('far');
  expect(near.data).toMatchObject({ kind: 'veth', peerIndex: far.index, peerNamespaceId: expect.any(Number) });
  expect(near.data).not.toHaveProperty('peer');
  expect(near.parent).toBeUndefined();
  await compare();
  await here.network.deleteLink('one');
  expect((await failure(here.network.link('two'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
  await here.network.deleteLink('near');
  expect((await failure(there.network.link('far'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
});

test('a link made in another namespace is read there', async () => {
  const link = await here.network.addLink({
    kind: 'veth',
    name: 'away',
    namespace: { name: there.name },
    up: true,
    peer: { name: 'home', up: true },
  });
  expect(link).toMatchObject({ name: 'away', up: true });
  expect((await there.network.link('away')).index).toBe(link.index);
  expect((await here.network.link('home')).kind).toBe('veth');
  await there.network.deleteLink('away');
});

test('bridge with ports; master comes and goes', async () => {
  await here.network.addLink({ kind: 'bridge', name: 'br0', up: true, multicastSnooping: false, stp: true });
  expect((await here.network.link('br0')).data).toMatchObject({
    kind: 'bridge',
    stp: true,
    vlanFiltering: false,
    multicastSnooping: false,
  });
  await here.network.addLink({ kind: 'veth', name: 'port1', master: 'br0', up: true, peer: { name: 'plug1' } });
  expect(await here.network.link('port1')).toMatchObject({ master: 'br0' });
  await compare();
  await here.network.updateLink('port1', { master: null });
  expect((await here.network.link('port1')).master).toBeUndefined();
  await here.network.updateLink('port1', { master: 'br0', mtu: 1200 });
  expect(await here.network.link('port1')).toMatchObject({ master: 'br0', mtu: 1200 });
  await here.network.deleteLink('br0');
  expect((await here.network.link('port1')).master).toBeUndefined();
  await here.network.deleteLink('port1');
});

test('vxlan: IPv4, IPv6, external', async () => {
  await here.network.addLink({ kind: 'veth', name: 'wire', up: true, peer: { name: 'eriw', up: true } });
  await here.network.addLink({
    kind: 'vxlan',
    name: 'vx4',
    id: 4096,
    local: '10.0.0.1',
    remote: '10.0.0.2',
    device: 'wire',
    learning: false,
    mtu: 1450,
  });
  expect((await here.network.link('vx4')).data).toEqual({
    kind: 'vxlan',
    id: 4096,
    port: 4789,
    local: '10.0.0.1',
    remote: '10.0.0.2',
    device: 'wire',
    learning: false,
    proxy: false,
    l2miss: false,
    l3miss: false,
    external: false,
  });
  await here.network.addLink({ kind: 'vxlan', name: 'vx6', id: 1, port: 8472, local: 'fd00::1' });
  expect((await here.network.link('vx6')).data).toEqual({
    kind: 'vxlan',
    id: 1,
    port: 8472,
    local: 'fd00::1',
    learning: true,
    proxy: false,
    l2miss: false,
    l3miss: false,
    external: false,
  });
  await here.network.addLink({ kind: 'vxlan', name: 'vxe', external: true, port: 4790 });
  expect((await here.network.link('vxe')).data).toMatchObject({ kind: 'vxlan', id: 0, external: true, port: 4790 });
  // As Docker makes the vxlan of an overlay network.
  const docker = { proxy: true, l2miss: true, l3miss: true, learning: true };
  await here.network.addLink({ kind: 'vxlan', name: 'vxd', id: 4097, ...docker });
  expect((await here.network.link('vxd')).data).toMatchObject(docker);
  const [dockers] = here.json<IpLink>('ip', '-j', '-d', 'link', 'show', 'vxd');
  expect(dockers?.linkinfo?.info_data).toMatchObject({ id: 4097, ...docker });
  here.run('ip', 'link', 'add', 'vxi', 'type', 'vxlan', 'id', '4098', 'dstport', '4789', 'l2miss', 'proxy');
  expect((await here.network.link('vxi')).data).toMatchObject({ proxy: true, l2miss: true, l3miss: false });
  const [theirs] = here.json<IpLink>('ip', '-j', '-d', 'link', 'show', 'vx4');
  expect(theirs?.linkinfo?.info_data).toMatchObject({
    id: 4096,
    link: 'wire',
    local: '10.0.0.1',
    remote: '10.0.0.2',
    port: 4789,
    learning: false,
  });
  await compare();
  for (const name of ['vx4', 'vx6', 'vxe', 'vxd', 'vxi', 'wire']) await here.network.deleteLink(name);
});

test('renamed, moved, found by another name', async () => {
  await here.network.addLink({ kind: 'veth', name: 'old', peer: { name: 'other' } });
  await here.network.updateLink('old', { name: 'new' });
  expect((await failure(here.network.link('old'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
  here.run('ip', 'link', 'property', 'add', 'dev', 'new', 'altname', 'a-name-that-is-longer-than-usual');
  expect(await here.network.link('a-name-that-is-longer-than-usual')).toMatchObject({
    name: 'new',
    alternativeNames: ['a-name-that-is-longer-than-usual'],
  });
  await here.network.updateLink('a-name-that-is-longer-than-usual', { mtu: 1234 });
  await here.network.addAddress({ interface: 'a-name-that-is-longer-than-usual', address: '10.7.7.7/32' });
  expect(await here.network.addresses({ interface: 'new' })).toMatchObject([{ address: '10.7.7.7/32' }]);
  await here.network.updateLink('new', { namespace: there.name, name: 'moved', up: true });
  expect(await there.network.link('moved')).toMatchObject({ mtu: 1234, up: true });
  await there.network.deleteLink('moved');
});

describe('kinds that are not in every kernel', () => {
  test.skipIf(!hasKind('dummy'))('dummy', async () => {
    await here.network.addLink({ kind: 'dummy', name: 'dum', up: true });
    expect(await here.network.link('dum')).toMatchObject({ kind: 'dummy', running: true });
    await compare();
    await here.network.deleteLink('dum');
  });

  test.skipIf(!hasKind('ipip', 'local', '127.7.7.7'))('ipip: of two ends, external, and the catch-all', async () => {
    await here.network.addLink({ kind: 'ipip', name: 'tun', local: '10.0.0.1', remote: '10.0.0.2', ttl: 64, up: true });
    expect((await here.network.link('tun')).data).toEqual({
      kind: 'ipip',
      local: '10.0.0.1',
      remote: '10.0.0.2',
      ttl: 64,
      external: false,
    });
    expect(here.run('ip', '-d', 'link', 'show', 'tun')).toMatch(/ipip remote 10.0.0.2 local 10.0.0.1 ttl 64 pmtudisc/);
    // The module made tunl0, which is that.
    const error = await failure(here.network.addLink({ kind: 'ipip', name: 'any' }));
    expect(error).toMatchObject({ code: 'ERR_IPVS_LINK_EXISTS', message: expect.stringContaining('tunl0') });
    await here.network.updateLink('tunl0', { up: true });
    expect(await here.network.link('tunl0')).toMatchObject({ kind: 'ipip', up: true, data: { kind: 'ipip' } });
    // The kernel says that it has deleted it (ip_tunnel_dellink in net/ipv4/ip_tunnel.c).
    await here.network.deleteLink('tunl0');
    expect(await here.network.link('tunl0')).toMatchObject({ up: true });
    await here.network.addLink({ kind: 'ipip', name: 'ext', external: true });
    expect((await here.network.link('ext')).data).toMatchObject({ external: true });
    await compare();
    for (const name of ['tun', 'ext']) await here.network.deleteLink(name);
  });

  test.skipIf(!hasKind('gre', 'local', '127.7.7.7'))('gre with a key', async () => {
    await here.network.addLink({ kind: 'gre', name: 'g', local: '10.0.0.1', remote: '10.0.0.2', key: 77 });
    expect((await here.network.link('g')).data).toEqual({
      kind: 'gre',
      local: '10.0.0.1',
      remote: '10.0.0.2',
      key: 77,
      external: false,
    });
    await here.network.deleteLink('g');
  });

  test.skipIf(!hasKind('macvlan', 'link', 'lo') && !hasKind('dummy'))('macvlan', async () => {
    await here.network.addLink({ kind: 'veth', name: 'base', peer: { name: 'esab' } });
    await here.network.addLink({ kind: 'macvlan', name: 'mac', parent: 'base', mode: 'private' });
    expect(await here.network.link('mac')).toMatchObject({
      parent: 'base',
      data: { kind: 'macvlan', mode: 'private' },
    });
    await here.network.deleteLink('base');
    expect((await failure(here.network.link('mac'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
  });
});

test('a kind that the kernel has not: the module to load is named', async () => {
  const modules = { dummy: 'dummy', ipip: 'ipip', gre: 'ip_gre' } as const;
  for (const kind of ['dummy', 'ipip', 'gre'] as const) {
    if (hasKind(kind) || hasKind(kind, 'local', '127.7.7.7')) continue;
    const error = await failure(here.network.addLink({ kind, name: 'nokind' }));
    expect(error.code).toBe('ERR_IPVS_NOT_AVAILABLE');
    expect(error.message).toMatch(
      new RegExp(`have interfaces of kind ${kind} .* run \`modprobe ${modules[kind]}\` as root$`),
    );
  }
});

test('a kind that the kernel has, and what it cannot be', async () => {
  await here.network.addLink({ kind: 'veth', name: 'no-bridge', peer: { name: 'port' } });
  const refused = [
    here.network.addLink({ kind: 'vxlan', name: 'never', id: 6, port: 5001, master: 'no-bridge' }),
    here.network.addLink({ kind: 'veth', name: 'never', peer: { name: 'nor-this' }, master: 'no-bridge' }),
    here.network.updateLink('port', { master: 'no-bridge' }),
  ];
  for (const work of refused) {
    const { code, message } = await failure(work);
    expect(code).toBe('ERR_IPVS_REJECTED');
    expect(message).toMatch(
      /\(EOPNOTSUPP\). Usual cause: the master no-bridge is not a bridge, and cannot have ports$/,
    );
  }
  expect((await here.network.links()).map(({ name }) => name)).not.toContain('never');
  await here.network.deleteLink('no-bridge');
});

test.skipIf(hasKind('bridge', 'vlan_filtering', '1'))('a bridge of a kernel without VLANs for bridges', async () => {
  const { code, message } = await failure(here.network.addLink({ kind: 'bridge', name: 'never', vlanFiltering: true }));
  expect(code).toBe('ERR_IPVS_REJECTED');
  expect(message).toContain('built without vlanFiltering (CONFIG_BRIDGE_VLAN_FILTERING)');
});

test('addresses that the kernel refuses', async () => {
  await here.network.addLink({ kind: 'veth', name: 'end', peer: { name: 'dne' } });
  const add = (address: string): Promise<void> => here.network.addAddress({ interface: 'end', address });
  const loopback = await failure(add('::1/128'));
  expect(loopback.code).toBe('ERR_IPVS_REJECTED');
  expect(loopback.message).toContain('::1 on another interface than lo');
  await here.network.setSysctl({ family: 'ipv6', interface: 'end', name: 'disable_ipv6' }, true);
  const { code, message } = await failure(add('fd00::7/64'));
  expect(code).toBe('ERR_IPVS_REJECTED');
  expect(message).toContain('net.ipv6.conf.end.disable_ipv6 or net.ipv6.conf.all.disable_ipv6 is 1');
  await here.network.deleteLink('end');
});

test('errors name what was asked, and what usually causes it', async () => {
  await here.network.addLink({ kind: 'bridge', name: 'taken' });
  const twice = await failure(here.network.addLink({ kind: 'bridge', name: 'taken' }));
  expect(twice.code).toBe('ERR_IPVS_LINK_EXISTS');
  expect(twice.message).toMatch(/^cannot add link taken \(bridge\): the interface already exists \(EEXIST/);
  const missing = await failure(here.network.updateLink('nothing', { up: true }));
  expect(missing.code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
  const master = await failure(here.network.updateLink('taken', { master: 'nothing' }));
  expect(master.code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
  expect(master.message).toMatch(
    /^cannot update link taken: the interface does not exist in this namespace \(ENODEV: nothing\)/,
  );
  const namespace = await failure(here.network.updateLink('taken', { namespace: 'there-is-none' }));
  expect(namespace.code).toBe('ERR_IPVS_NO_SUCH_NAMESPACE');
  const file = await failure(here.network.updateLink('taken', { namespace: '/etc/hostname' }));
  expect(file.code).toBe('ERR_IPVS_NO_SUCH_NAMESPACE');
  expect((await failure(here.network.deleteLink('lo'))).code).toBe('ERR_IPVS_REJECTED');
  await here.network.deleteLink('taken');
  expect((await failure(here.network.deleteLink('taken'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
});

test('half-way: what is refused stops nothing behind it, and leaves no link behind', async () => {
  const results = await here.network.apply([
    { change: 'add-link', link: { kind: 'veth', name: 'left', peer: { name: 'right', up: true }, up: true } },
    { change: 'add-link', link: { kind: 'bridge', name: 'left' } },
    { change: 'add-address', address: { interface: 'left', address: '10.1.1.1/24' } },
    { change: 'add-address', address: { interface: 'nothing', address: '10.1.1.1/24' } },
    { change: 'add-route', route: { destination: '10.2.0.0/16', via: '10.1.1.2' } },
    { change: 'add-link', link: { kind: 'bridge', name: 'bad', mtu: 10 } },
    { change: 'update-link', name: 'left', changes: { name: 'renamed' } },
    {
      change: 'set-neighbour',
      neighbour: { interface: 'renamed', address: '10.1.1.2', linkAddress: '02:00:00:00:00:01' },
    },
  ]);
  expect(results.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
    'ok',
    'ERR_IPVS_LINK_EXISTS',
    'ok',
    'ERR_IPVS_NO_SUCH_INTERFACE',
    'ok',
    'ERR_IPVS_REJECTED',
    // Before 6.2 it has to be down for that.
    expect.stringMatching(/ok|ERR_IPVS_REJECTED/),
    expect.stringMatching(/ok|ERR_IPVS_NO_SUCH_INTERFACE/),
  ]);
  const names = (await here.network.links()).map(({ name }) => name);
  expect(names).not.toContain('bad');
  await here.network.deleteLink('right');
});

test('many interfaces in one go', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `many${index}`);
  const add = names.map((name) => ({
    change: 'add-link' as const,
    link: { kind: 'bridge' as const, name },
  }));
  const results = await here.network.apply(add);
  expect(results.every(({ ok }) => ok)).toBe(true);
  const addresses = names.map((name, index) => ({
    change: 'add-address' as const,
    address: { interface: name, address: `10.${index}.0.1/32` },
  }));
  expect((await here.network.apply(addresses)).every(({ ok }) => ok)).toBe(true);
  expect(
    (await here.network.addresses({ family: 'ipv4' })).filter(({ interface: name }) => name.startsWith('many')),
  ).toHaveLength(40);
  const gone = await here.network.apply(names.map((name) => ({ change: 'delete-link' as const, name })));
  expect(gone.every(({ ok }) => ok)).toBe(true);
});

test('closed, aborted, timed out', async () => {
  const network = await Network.open({ namespace: here.name });
  const aborted = AbortSignal.abort(new Error('enough'));
  await expect(network.links({ signal: aborted })).rejects.toThrow('enough');
  await expect(
    network.addLink({ kind: 'bridge', name: 'never', namespace: there.name }, { signal: aborted }),
  ).rejects.toThrow('enough');
  await network.close();
  await network.close();
  expect((await failure(network.links())).code).toBe('ERR_IPVS_CLOSED');
  expect((await failure(Network.open({ namespace: 'there-is-none' }))).code).toBe('ERR_IPVS_NO_SUCH_NAMESPACE');
  expect((await there.network.links()).map(({ name }) => name)).not.toContain('never');
});
