// Each construct is what one would have written by hand: for packets, and where it was loaded by hand.
import { randomBytes } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Connection, constructs, type Packet } from './constructs/index.js';
import { addresses, useNetwork, useWorld } from './world.js';

const COMMENT = 'comment "made by ipvs"';

describe('loaded by hand', () => {
  const world = useWorld();
  test.each(constructs)('loaded by hand and taken over: $name', async ({ state, text }) => {
    world.load(`flush ruleset\ntable inet ipvs { ${COMMENT}\n${text}\n}`);
    const { netfilter } = world;
    await netfilter.set(state); // nft loads prefixes in another way: those rules are made anew
    expect(await netfilter.verify(state)).toEqual([]);
    const before = world.list('ruleset', '-a');
    await netfilter.set(state);
    expect(world.list('ruleset', '-a')).toBe(before);
    await netfilter.deleteTable();
  });
});

describe('what becomes of packets', () => {
  const network = useNetwork([80, 8080]);
  const probed = ['prerouting', 'input', 'output'] as const;

  beforeAll(() => {
    const { run } = network;
    run('ip', 'route', 'add', '10.9.9.0/24', 'dev', 'servers');
    // Of server2, segments that are too large for the way.
    run('ip', 'route', 'add', `${addresses.server2.ipv4}/32`, 'dev', 'servers', 'mtu', 'lock', '1300');
  });
  /** Another's table, behind ours: which packet (by its source port) has which mark at which hook. */
  beforeEach(() => {
    const parts = probed.map(
      (hook) => `set ${hook} { type inet_service . mark; flags dynamic; size 65535; }
        chain ${hook}_seen { type filter hook ${hook} priority -140; add @${hook} { th sport . meta mark }; }\n`,
    );
    network.load(`flush ruleset\ntable inet probe {\n${parts.join('\n')}\n}`);
  });

  const protocols = { tcp: 6, udp: 17, dccp: 33, sctp: 132, udplite: 136 } as const;
  const hex = (value: number): string => value.toString(16).padStart(4, '0');
  function packetText({ to, protocol, port }: Packet, source: number): string {
    // Ports are at the same place in all of them; a TCP header that is long enough begins a connection.
    const rest = protocol === 'tcp' ? `00000000000000005002ffff00000000` : '00080000'.padEnd(32, '0');
    return `${to} ${protocols[protocol]} ${hex(source)}${hex(port)}${protocol === 'udp' ? '00080000' : rest}`;
  }
  function marksSeen(packets: readonly Packet[]): (number | undefined)[] {
    const start = 20_000;
    for (const host of new Set(packets.map(({ from }) => from))) {
      const texts = packets.flatMap((packet, i) => (packet.from === host ? [packetText(packet, start + i)] : []));
      network.send(host, texts);
    }
    const seen = new Map<string, number>();
    for (const hook of probed) {
      for (const [, port, mark] of network.list(`set inet probe ${hook}`).matchAll(/(\d+) \. (0x[0-9a-f]+)/g))
        seen.set(`${hook} ${port}`, Number(mark));
    }
    return packets.map(({ at }, i) => seen.get(`${at} ${start + i}`));
  }
  const connect = ({ from, to, port, seen }: Connection) =>
    network.connect(from, to, port).then((answer) => {
      if (!answer || !seen) return answer;
      return Object.fromEntries(Object.keys(seen).map((name) => [name, answer[name as keyof typeof answer]]));
    });

  const marked = constructs.filter(({ packets }) => packets);
  test.each(marked)('marks, ours and by hand: $name', async ({ state, text, packets = [] }) => {
    const wanted = packets.map(({ mark }) => mark);
    expect(marksSeen(packets), 'without').toEqual(packets.map(() => 0));
    network.load('flush set inet probe prerouting; flush set inet probe input; flush set inet probe output');
    await network.netfilter.set(state);
    expect(marksSeen(packets), 'ours').toEqual(wanted);
    network.load('flush set inet probe prerouting; flush set inet probe input; flush set inet probe output');
    network.load(`delete table inet ipvs\ntable inet ${randomName()} {\n${text}\n}`);
    expect(marksSeen(packets), 'by hand').toEqual(wanted);
  });

  const connected = constructs.filter(({ connections }) => connections);
  test.each(connected)('connections, ours and by hand: $name', async ({ state, text, connections = [] }) => {
    const wanted = connections.map(({ seen }) => seen);
    await network.netfilter.set(state);
    expect(await Promise.all(connections.map(connect)), 'ours').toEqual(wanted);
    network.load(`delete table inet ipvs\ntable inet ${randomName()} {\n${text}\n}`);
    expect(await Promise.all(connections.map(connect)), 'by hand').toEqual(wanted);
    network.load(`flush ruleset`);
    expect(await Promise.all(connections.map(connect)), 'without').not.toEqual(wanted);
  });
});

/** So that nothing is left of one before. */
function randomName(): string {
  return `hand${randomBytes(3).toString('hex')}`;
}
