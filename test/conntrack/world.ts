// A network namespace that tracks connections, alone or as the router between two hosts.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Helper, type Host, Lab } from '../../scripts/lab.mjs';
import { Conntrack, type Flow, type FlowOptions } from '../../src/index.js';

export { until } from '../until.js';

/** Where conntrack is a module, its settings come with it; elsewhere this does nothing. */
for (const name of ['nf_conntrack', 'nf_conntrack_netlink']) spawnSync('modprobe', ['-q', name], { stdio: 'ignore' });

/** What packets leave behind is there for as long as a test may take. */
const patience = Object.fromEntries(
  [
    'generic_timeout',
    'gre_timeout',
    'icmp_timeout',
    'icmpv6_timeout',
    'sctp_timeout_closed',
    'sctp_timeout_cookie_wait',
    'tcp_timeout_time_wait',
    'udp_timeout',
    'udp_timeout_stream',
  ].map((name) => [`net.netfilter.nf_conntrack_${name}`, 3600]),
);

/** Runs a program in a namespace. */
export function runIn(namespace: string, command: readonly string[], input = ''): string {
  const args = [`--net=/run/netns/${namespace}`, ...command];
  return execFileSync('nsenter', args, { encoding: 'utf8', input, stdio: 'pipe', env: { ...process.env, TZ: 'UTC' } });
}

export interface World {
  readonly namespace: string;
  readonly conntrack: Conntrack;
  /** Rules for `nft -f`. */
  rules(text: string): void;
  run(...command: string[]): string;
}

function worldOn(host: () => string, conntrack: () => Conntrack | undefined): World {
  return {
    get namespace() {
      return host();
    },
    get conntrack() {
      const open = conntrack();
      if (!open) throw new Error('not open yet');
      return open;
    },
    rules: (text) => void runIn(host(), ['nft', '-f', '-'], text),
    run: (...command) => runIn(host(), command),
  };
}

/** A namespace of its own for the calling file or block. */
export function useWorld(): World {
  const lab = new Lab();
  let conntrack: Conntrack | undefined;
  beforeAll(async () => {
    lab.add({ alone: {} });
    conntrack = await Conntrack.open({ namespace: lab.host('alone').namespace });
  });
  afterAll(async () => {
    await conntrack?.close();
    await lab.close();
    expect(lab.namespaces).toEqual([]);
  });
  return worldOn(
    () => lab.host('alone').namespace,
    () => conntrack,
  );
}

export interface Network extends World {
  readonly client: Helper;
  readonly servers: readonly Helper[];
  /** Packets of the client's, each `DESTINATION PROTOCOL HEX`. */
  send(...packets: string[]): void;
}

export const addresses = {
  client: { ipv4: '10.9.1.2', ipv6: 'fd09:1::2' },
  /** Of the router, where the client sees it. */
  virtual: { ipv4: '10.9.1.100', ipv6: 'fd09:1::100' },
  /** Of the router, where servers see it. */
  router: { ipv4: '10.9.2.1', ipv6: 'fd09:2::1' },
  servers: [
    { ipv4: '10.9.2.11', ipv6: 'fd09:2::11' },
    { ipv4: '10.9.2.12', ipv6: 'fd09:2::12' },
  ],
} as const;

/** A client, a router that tracks, and servers (`server1`, ...) that answer on these ports. */
export function useNetwork(ports: readonly number[], count = 1): Network {
  const lab = new Lab();
  const names = addresses.servers.slice(0, count).map((server, index) => ({ ...server, name: `server${index + 1}` }));
  let conntrack: Conntrack | undefined;
  let client: Helper;
  let servers: Helper[] = [];
  const start = (host: Host): Promise<Helper> => host.start(new URL('fixtures/talk.mjs', import.meta.url));
  beforeAll(async () => {
    const { virtual, router } = addresses;
    lab.add({
      client: {
        networks: { clients: [`${addresses.client.ipv4}/24`, `${addresses.client.ipv6}/64`] },
        routes: ['default via 10.9.1.1', 'default via fd09:1::1'],
      },
      router: {
        networks: {
          clients: ['10.9.1.1/24', 'fd09:1::1/64', `${virtual.ipv4}/32`, `${virtual.ipv6}/128`],
          servers: [`${router.ipv4}/24`, `${router.ipv6}/64`],
        },
        sysctls: {
          'net.ipv4.ip_forward': 1,
          'net.ipv6.conf.all.forwarding': 1,
          'net.netfilter.nf_conntrack_checksum': 0,
          ...patience,
        },
      },
      ...Object.fromEntries(
        names.map(({ name, ipv4, ipv6 }) => [
          name,
          {
            networks: { servers: [`${ipv4}/24`, `${ipv6}/64`] },
            routes: [`default via ${router.ipv4}`, `default via ${router.ipv6}`],
          },
        ]),
      ),
    });
    [client, ...servers] = (await Promise.all([
      start(lab.host('client')),
      ...names.map(({ name }) => start(lab.host(name))),
    ])) as [Helper, ...Helper[]];
    await Promise.all(servers.map((server, index) => server.ask({ kind: 'serve', name: names[index]?.name, ports })));
    conntrack = await Conntrack.open({ namespace: lab.host('router').namespace });
  }, 120_000);
  afterAll(async () => {
    await conntrack?.close();
    await lab.close();
    expect(lab.namespaces).toEqual([]);
  });
  const world = worldOn(
    () => lab.host('router').namespace,
    () => conntrack,
  );
  return Object.defineProperties(
    {
      send: (...packets: string[]) => {
        const program = fileURLToPath(new URL('fixtures/send.py', import.meta.url));
        runIn(lab.host('client').namespace, ['/usr/bin/python3', program, ...packets]);
      },
    },
    {
      ...Object.getOwnPropertyDescriptors(world),
      client: { get: () => client },
      servers: { get: () => servers },
    },
  ) as Network;
}

/** Some flow to `destination`, told from others by its port. */
export function udpFlow(port: number, settings: Partial<FlowOptions> = {}): FlowOptions {
  const original = {
    protocol: 'udp',
    source: `10.20.${port >> 8}.${port & 255}`,
    destination: '10.30.0.1',
    sourcePort: port,
    destinationPort: 53,
  } as const;
  return { original, timeout: 3600, ...settings };
}

/** The name of such a flow. */
export function udpName(port: number): Pick<FlowOptions, 'original'> {
  return { original: udpFlow(port).original };
}

export function byId(flows: readonly Flow[]): Flow[] {
  return flows.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0));
}
