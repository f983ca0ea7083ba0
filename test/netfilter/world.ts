// Namespaces for tests of marks and NAT: empty ones, and a router between a client and servers.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Helper, type Host, Lab } from '../../scripts/lab.mjs';
import { Netfilter, type NetfilterOptions } from '../../src/index.js';
import { runIn } from '../conntrack/world.js';

export { runIn, until } from '../conntrack/world.js';

for (const name of ['nf_tables', 'nf_conntrack']) spawnSync('modprobe', ['-q', name], { stdio: 'ignore' });

export interface World {
  readonly namespace: string;
  /** Of the owner `ipvs`. */
  readonly netfilter: Netfilter;
  /** Another handle, closed with the file. */
  open(options?: Omit<NetfilterOptions, 'namespace'>): Promise<Netfilter>;
  /** Rules for `nft -f`. */
  load(text: string): void;
  /** What `nft list` says, of everything or of one object (`table inet ipvs`); `-a`: with handles. */
  list(what?: string, ...options: string[]): string;
  run(...command: string[]): string;
}

/** A namespace of its own for the calling file or block, with a handle on it. */
export function useWorld(): World {
  const lab = new Lab();
  const handles: Netfilter[] = [];
  const namespace = (): string => lab.host('alone').namespace;
  const open = async (options: Omit<NetfilterOptions, 'namespace'> = {}): Promise<Netfilter> => {
    const handle = await Netfilter.open({ namespace: namespace(), ...options });
    handles.push(handle);
    return handle;
  };
  beforeAll(async () => {
    lab.add({ alone: {} });
    await open();
  });
  afterAll(async () => {
    await Promise.all(handles.map((handle) => handle.close()));
    await lab.close();
    expect(lab.namespaces).toEqual([]);
  });
  return worldOn(namespace, () => handles[0], open);
}

function worldOn(namespace: () => string, netfilter: () => Netfilter | undefined, open: World['open']): World {
  return {
    get namespace() {
      return namespace();
    },
    get netfilter() {
      const handle = netfilter();
      if (!handle) throw new Error('not open yet');
      return handle;
    },
    open,
    load: (text) => void runIn(namespace(), ['nft', '-f', '-'], text),
    list: (what = 'ruleset', ...options) => runIn(namespace(), ['nft', ...options, 'list', ...what.split(' ')]),
    run: (...command) => runIn(namespace(), command),
  };
}

export const addresses = {
  client: { ipv4: '10.9.1.2', ipv6: 'fd09:1::2' },
  /** Of the router, on the clients' side. */
  virtual: { ipv4: '10.9.1.100', ipv6: 'fd09:1::100' },
  /** Of the router, on the servers' side, and a second one there. */
  router: { ipv4: '10.9.2.1', ipv6: 'fd09:2::1' },
  other: { ipv4: '10.9.2.5', ipv6: 'fd09:2::5' },
  server1: { ipv4: '10.9.2.11', ipv6: 'fd09:2::11' },
  server2: { ipv4: '10.9.2.12', ipv6: 'fd09:2::12' },
} as const;

export type HostName = 'client' | 'router' | 'server1' | 'server2';

/** Who answered a connection, and how both ends look from there. */
export interface Answer {
  readonly name: string;
  readonly remote: string;
  readonly local: string;
  readonly port: number;
  /** The largest segment that it may send. */
  readonly segment: number;
}

export interface Network extends World {
  readonly host: (name: HostName) => Host;
  /** A TCP connection: who answers, or null if nobody does. */
  connect(from: HostName, address: string, port: number): Promise<Answer | null>;
  /** Packets of a host, each `DESTINATION PROTOCOL HEX`. */
  send(from: HostName, packets: readonly string[]): void;
}

/** A client, a router with a handle, and two servers; all but the client answer on these ports. */
export function useNetwork(ports: readonly number[]): Network {
  const lab = new Lab();
  const helpers = new Map<HostName, Helper>();
  const handles: Netfilter[] = [];
  const names: readonly HostName[] = ['client', 'router', 'server1', 'server2'];
  const namespace = (): string => lab.host('router').namespace;
  const open = async (options: Omit<NetfilterOptions, 'namespace'> = {}): Promise<Netfilter> => {
    const handle = await Netfilter.open({ namespace: namespace(), ...options });
    handles.push(handle);
    return handle;
  };
  beforeAll(async () => {
    const { client, virtual, router, other, server1, server2 } = addresses;
    const behind = ['default via 10.9.2.1', 'default via fd09:2::1'];
    // Without timestamps a segment is what was agreed on.
    const plain = { 'net.ipv4.tcp_timestamps': 0 };
    lab.add({
      client: {
        networks: { clients: [`${client.ipv4}/24`, `${client.ipv6}/64`] },
        routes: ['default via 10.9.1.1', 'default via fd09:1::1'],
        sysctls: plain,
      },
      router: {
        networks: {
          clients: ['10.9.1.1/24', 'fd09:1::1/64', `${virtual.ipv4}/32`, `${virtual.ipv6}/128`],
          servers: [`${router.ipv4}/24`, `${other.ipv4}/24`, `${other.ipv6}/64`, `${router.ipv6}/64`],
        },
        sysctls: {
          'net.ipv4.ip_forward': 1,
          'net.ipv6.conf.all.forwarding': 1,
          'net.ipv4.conf.all.route_localnet': 1,
          ...plain,
        },
      },
      server1: { networks: { servers: [`${server1.ipv4}/24`, `${server1.ipv6}/64`] }, routes: behind, sysctls: plain },
      server2: { networks: { servers: [`${server2.ipv4}/24`, `${server2.ipv6}/64`] }, routes: behind, sysctls: plain },
    });
    const program = new URL('fixtures/speak.mjs', import.meta.url);
    await Promise.all(
      names.map(async (name) => {
        const helper = await lab.host(name).start(program);
        helpers.set(name, helper);
        if (name !== 'client') await helper.ask({ kind: 'serve', name, ports });
      }),
    );
    await open();
  }, 180_000);
  afterAll(async () => {
    await Promise.all(handles.map((handle) => handle.close()));
    await lab.close();
    expect(lab.namespaces).toEqual([]);
  });
  const world = worldOn(namespace, () => handles[0], open);
  const rest = {
    host: (name: HostName) => lab.host(name),
    connect: (from: HostName, address: string, port: number) =>
      helpers.get(from)?.ask({ kind: 'connect', address, port }) ?? Promise.reject(new Error(`no ${from}`)),
    send: (from: HostName, packets: readonly string[]) => {
      const file = fileURLToPath(new URL('../conntrack/fixtures/send.py', import.meta.url));
      runIn(lab.host(from).namespace, ['/usr/bin/python3', file, ...packets]);
    },
  };
  return Object.defineProperties(rest, Object.getOwnPropertyDescriptors(world)) as Network;
}
