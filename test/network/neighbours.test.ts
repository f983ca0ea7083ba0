import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { untilPasses } from '../until.js';
import { failure, reaches, usePlaces } from './world.js';

const [left, right] = usePlaces(2);
if (!left || !right) throw new Error('no places');

const macs = { left: '02:00:00:00:00:01', right: '02:00:00:00:00:02' };

interface IpNeighbour {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state: readonly string[];
}

test('setting the scene: a wire between two namespaces', async () => {
  await left.network.addLink({
    kind: 'veth',
    name: 'wire',
    address: macs.left,
    up: true,
    peer: { name: 'wire', namespace: right.name, address: macs.right, up: true },
  });
  for (const [place, number] of [
    [left, 1],
    [right, 2],
  ] as const) {
    await place.network.apply([
      { change: 'add-address', address: { interface: 'wire', address: `10.1.0.${number}/24` } },
      { change: 'add-address', address: { interface: 'wire', address: `fd01::${number}/64`, noDad: true } },
    ]);
  }
  expect(reaches(left.name, '10.1.0.2')).toBe(true);
});

test('neighbours are what ip says they are', async () => {
  await left.network.setNeighbour({ interface: 'wire', address: '10.1.0.50', linkAddress: '02:42:0A:00:00:14' });
  await left.network.setNeighbour({ interface: 'wire', address: 'fd01::50', linkAddress: macs.right, state: 'stale' });
  await left.network.setNeighbour({ interface: 'wire', address: '10.1.0.60', proxy: true });
  const neighbours = await left.network.neighbours({ interface: 'wire' });
  const theirs = left.json<IpNeighbour>('ip', '-j', 'neigh', 'show', 'nud', 'all', 'dev', 'wire');
  expect(neighbours.map(({ address, linkAddress }) => `${address} ${linkAddress}`).toSorted()).toEqual(
    theirs.map(({ dst, lladdr }) => `${dst} ${lladdr}`).toSorted(),
  );
  expect(neighbours.find(({ address }) => address === '10.1.0.50')).toEqual({
    interface: 'wire',
    family: 'ipv4',
    address: '10.1.0.50',
    linkAddress: '02:42:0a:00:00:14',
    state: 'permanent',
    proxy: false,
    router: false,
    externallyLearned: false,
  });
  expect(neighbours.find(({ address }) => address === 'fd01::50')).toMatchObject({ state: 'stale' });
  expect(await left.network.neighbours({ proxy: true })).toMatchObject([{ address: '10.1.0.60', proxy: true }]);
  await left.network.setNeighbour({ interface: 'wire', address: '10.1.0.50', linkAddress: macs.right });
  expect(left.run('ip', 'neigh', 'show', '10.1.0.50')).toContain(`lladdr ${macs.right} PERMANENT`);
  await left.network.deleteNeighbour({ interface: 'wire', address: '10.1.0.50' });
  await left.network.deleteNeighbour({ interface: 'wire', address: '10.1.0.60', proxy: true });
  await left.network.deleteNeighbour({ interface: 'wire', address: 'fd01::50' });
  const gone = await failure(left.network.deleteNeighbour({ interface: 'wire', address: '10.1.0.51' }));
  expect(gone.code).toBe('ERR_IPVS_NO_SUCH_NEIGHBOUR');
  const none = await failure(
    left.network.setNeighbour({ interface: 'nothing', address: '10.1.0.51', linkAddress: macs.left }),
  );
  expect(none.message).toMatch(
    /^cannot set neighbour 10.1.0.51 lladdr .* dev nothing: the interface does not exist in this namespace/,
  );
});

/** Frames that arrive in a namespace. */
async function capture(namespace: string, number: number, during: () => Promise<void>): Promise<string[]> {
  const program = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("wire", 0))
s.settimeout(20)
print("READY", flush=True)
seen = 0
while seen < ${number}:
  data, (_, _, kind, _, _) = s.recvfrom(2000)
  arp = data[12:14] == bytes([8, 6]) and data[28:32] == data[38:42]
  advertised = data[12:14] == bytes([0x86, 0xdd]) and data[20] == 58 and data[54] == 136
  if kind != 4 and (arp or advertised):
    seen += 1
    print(data.hex(), flush=True)
`;
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, '/usr/bin/python3', '-c', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8');
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (piece: string) => {
      text += piece;
      if (text.includes('READY')) resolve();
    });
  });
  const ended = once(child, 'close');
  await during();
  await ended;
  return text.trim().split('\n').slice(1);
}

test('an announcement is a gratuitous ARP request, and the other side believes it', async () => {
  right.ip(`neigh replace 10.1.0.100 lladdr 02:00:00:00:00:99 nud reachable dev wire`);
  const frames = await capture(right.name, 2, () =>
    left.network.announce({ interface: 'wire', address: '10.1.0.100', count: 2, interval: 10 }),
  );
  const mac = macs.left.replaceAll(':', '');
  const expected = `ffffffffffff${mac}08060001080006040001${mac}0a010064${'00'.repeat(6)}0a010064`;
  expect(frames.map((frame) => frame.slice(0, expected.length))).toEqual([expected, expected]);
  expect(right.run('ip', 'neigh', 'show', '10.1.0.100')).toContain(`lladdr ${macs.left}`);
});

test('of IPv6 it is an unsolicited advertisement with the override flag', async () => {
  right.ip(`neigh replace fd01::100 lladdr 02:00:00:00:00:99 nud reachable dev wire`);
  const [frame] = await capture(right.name, 1, () =>
    left.network.announce({ interface: 'wire', address: 'fd01::100' }),
  );
  expect(frame?.slice(0, 12)).toBe('333300000001');
  expect(frame?.slice(116, 118)).toBe('20'); // override, no router
  // Its checksum is right, or the kernel would not have believed it.
  expect(right.run('ip', 'neigh', 'show', 'fd01::100')).toContain(`lladdr ${macs.left}`);
  await left.network.setSysctl({ family: 'ipv6', interface: 'wire', name: 'forwarding' }, 1);
  const [router] = await capture(right.name, 1, () =>
    left.network.announce({ interface: 'wire', address: 'fd01::100' }),
  );
  expect(router?.slice(116, 118)).toBe('a0');
});

test('where nothing can be announced', async () => {
  expect((await failure(left.network.announce({ interface: 'lo', address: '10.1.0.1' }))).code).toBe(
    'ERR_IPVS_REJECTED',
  );
  expect((await failure(left.network.announce({ interface: 'none', address: '10.1.0.1' }))).code).toBe(
    'ERR_IPVS_NO_SUCH_INTERFACE',
  );
  await left.network.addLink({ kind: 'bridge', name: 'down' });
  const down = await failure(left.network.announce({ interface: 'down', address: '10.1.0.1' }));
  expect(down).toMatchObject({ code: 'ERR_IPVS_REJECTED', message: expect.stringContaining('ENETDOWN') });
  const signal = AbortSignal.timeout(50);
  await expect(
    left.network.announce({ interface: 'wire', address: '10.1.0.1', count: 100 }, { signal }),
  ).rejects.toMatchObject({ name: 'TimeoutError' });
});

interface BridgeEntry {
  readonly mac: string;
  readonly ifname: string;
  readonly dst?: string;
  readonly state?: string;
}

/** Groups come to the list by themselves while interfaces come up. */
async function compareEntries(name: string): Promise<void> {
  const lists = async (): Promise<readonly [string[], string[]]> => {
    const entries = (await left?.network.forwardingEntries({ interface: name })) ?? [];
    const theirs = left?.json<BridgeEntry>('bridge', '-j', 'fdb', 'show', 'dev', name) ?? [];
    return [
      entries.map(({ linkAddress, destination }) => `${linkAddress} ${destination}`).toSorted(),
      theirs.map(({ mac, dst }) => `${mac} ${dst}`).toSorted(),
    ];
  };
  await untilPasses(async () => {
    const [ours, theirs] = await lists();
    expect(ours).toEqual(theirs);
  });
}

test('real packets over a vxlan with forwarding entries and permanent neighbours', async () => {
  for (const [place, own, other] of [
    [left, 1, 2],
    [right, 2, 1],
  ] as const) {
    const results = await place.network.apply([
      {
        change: 'add-link',
        link: {
          kind: 'vxlan',
          name: 'overlay',
          id: 4096,
          local: `10.1.0.${own}`,
          learning: false,
          mtu: 1450,
          address: `02:42:0a:00:00:0${own}`,
          up: true,
        },
      },
      { change: 'add-address', address: { interface: 'overlay', address: `10.0.0.${own}/24` } },
      {
        change: 'set-neighbour',
        neighbour: { interface: 'overlay', address: `10.0.0.${other}`, linkAddress: `02:42:0a:00:00:0${other}` },
      },
      {
        change: 'add-forwarding-entry',
        entry: { interface: 'overlay', linkAddress: `02:42:0a:00:00:0${other}`, destination: `10.1.0.${other}` },
      },
    ]);
    expect(results.map((result) => (result.ok ? 'ok' : result.error.message))).toEqual(['ok', 'ok', 'ok', 'ok']);
  }
  expect(reaches(left.name, '10.0.0.2')).toBe(true);
  await compareEntries('overlay');
  expect(await left.network.forwardingEntries({ interface: 'overlay' })).toEqual([
    {
      interface: 'overlay',
      linkAddress: '02:42:0a:00:00:02',
      state: 'permanent',
      self: true,
      master: false,
      destination: '10.1.0.2',
      externallyLearned: false,
    },
  ]);
  const entry = { interface: 'overlay', linkAddress: '02:42:0a:00:00:02', destination: '10.1.0.2' };
  expect((await failure(left.network.addForwardingEntry(entry))).code).toBe('ERR_IPVS_FORWARDING_ENTRY_EXISTS');
  await left.network.deleteForwardingEntry(entry);
  expect(reaches(left.name, '10.0.0.2')).toBe(false);
  expect((await failure(left.network.deleteForwardingEntry(entry))).code).toBe('ERR_IPVS_NO_SUCH_FORWARDING_ENTRY');
});

test('all zeros have several destinations, and a delete takes one', async () => {
  const zeros = { interface: 'overlay', linkAddress: '00:00:00:00:00:00' };
  await left.network.addForwardingEntry({ ...zeros, destination: '10.1.0.2', append: true });
  await left.network.addForwardingEntry({ ...zeros, destination: '10.1.0.3', port: 4790, vni: 7, append: true });
  await compareEntries('overlay');
  const error = await failure(left.network.deleteForwardingEntry(zeros));
  expect(error.code).toBe('ERR_IPVS_NO_SUCH_FORWARDING_ENTRY');
  expect(error.message).toMatch(/10\.1\.0\.[23], 10\.1\.0\.[23]/);
  await left.network.deleteForwardingEntry({ ...zeros, destination: '10.1.0.2' });
  const [rest] = await left.network.forwardingEntries({ interface: 'overlay' });
  expect(rest).toMatchObject({ destination: '10.1.0.3', port: 4790, vni: 7 });
  if (rest) await left.network.deleteForwardingEntry(rest);
  expect(await left.network.forwardingEntries({ interface: 'overlay' })).toEqual([]);
});

test('entries of a bridge', async () => {
  await left.network.addLink({ kind: 'bridge', name: 'br0', up: true });
  await left.network.addLink({ kind: 'veth', name: 'port', master: 'br0', up: true, peer: { name: 'plug', up: true } });
  const entry = { interface: 'port', linkAddress: '02:42:0a:00:00:99', master: true };
  await left.network.addForwardingEntry(entry);
  expect(left.run('bridge', 'fdb', 'show', 'dev', 'port')).toMatch(/02:42:0a:00:00:99 (vlan 1 )?master br0 static/);
  const read = (await left.network.forwardingEntries({ interface: 'port' })).find(
    ({ linkAddress }) => linkAddress === entry.linkAddress,
  );
  expect(read).toMatchObject({ master: true, self: false, bridge: 'br0', state: 'static' });
  await compareEntries('port');
  // Without a vlan: in all of the port's, as it was added.
  await left.network.deleteForwardingEntry(entry);
  expect(left.run('bridge', 'fdb', 'show', 'dev', 'port')).not.toContain('02:42:0a:00:00:99');
  expect((await failure(left.network.addForwardingEntry({ ...entry, interface: 'plug' }))).code).toBe(
    'ERR_IPVS_REJECTED',
  );
  expect((await left.network.forwardingEntries()).some(({ interface: name }) => name === 'port')).toBe(true);
});
