// A machine in memory, and two documents of one owner that make and change items of every kind.
import { type DesiredDocument, Ipvs, Netfilter, Network } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const sysctls = [
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.accept_redirects',
  'net.ipv4.conf.all.arp_ignore',
  'net.ipv4.conf.all.arp_announce',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.conf.eth0.arp_ignore',
  'net.ipv4.conf.eth0.arp_announce',
  'net.ipv4.conf.eth0.forwarding',
  'net.ipv4.vs.am_droprate',
  'net.ipv4.vs.conntrack',
  'net.ipv4.vs.sync_refresh_period',
];

export const before: DesiredDocument = {
  owner: 'a',
  sysctls: { 'net.ipv4.vs.am_droprate': 5, 'net.ipv4.vs.conntrack': 1 },
  timeouts: { tcp: 100, udp: 50 },
  roles: [
    {
      role: 'real-server',
      vip: '192.0.2.1',
      interface: 'eth0',
      tunnel: { type: 'gue', local: '10.0.0.2', port: 6080 },
    },
    { role: 'direct-director', vip: '192.0.2.2', mark: 7, table: 100, servers: ['10.0.0.7'] },
  ],
  services: [
    { protocol: 'tcp', address: '192.0.2.3', port: 80, scheduler: 'rr', servers: ['10.0.0.8', '10.0.0.9'] },
    { protocol: 'udp', address: '192.0.2.3', port: 53, servers: ['10.0.0.8'], drain: { timeout: 60 } },
    { fwmark: 9, marks: [{ protocol: 'udp', destination: '192.0.2.4', port: 54 }], servers: ['10.0.0.8'] },
    { protocol: 'tcp', address: '2001:db8::1', port: 80, servers: ['2001:db8::7'] },
  ],
  addresses: [{ interface: 'eth0', address: '192.0.2.3', announce: true }],
  nat: [{ type: 'masquerade', source: '10.0.0.0/8' }],
};

export const after: DesiredDocument = {
  owner: 'a',
  sysctls: { 'net.ipv4.vs.am_droprate': 6, 'net.ipv4.vs.sync_refresh_period': 4 },
  timeouts: { tcp: 200, tcpFin: 20 },
  roles: [
    { role: 'real-server', vip: '192.0.2.1', interface: 'eth0', tunnel: { type: 'gre', local: '10.0.0.2' } },
    { role: 'direct-director', vip: '192.0.2.2', mark: 8, table: 101, servers: ['10.0.0.7'] },
  ],
  services: [
    { protocol: 'tcp', address: '192.0.2.3', port: 80, scheduler: 'wlc', servers: ['10.0.0.9', '10.0.0.10'] },
    { protocol: 'udp', address: '192.0.2.3', port: 53, servers: ['10.0.0.9'] },
  ],
  addresses: [{ interface: 'eth0', address: '192.0.2.5' }],
  nat: [{ type: 'masquerade', source: '10.0.0.0/9' }],
};

export class RecordWorld {
  readonly kernel = new MemoryKernel();

  static async begin(): Promise<RecordWorld> {
    const world = new RecordWorld();
    await using network = await Network.open({ kernel: world.kernel });
    await network.addLink({ kind: 'dummy', name: 'eth0' });
    await network.updateLink('eth0', { up: true });
    await network.addAddress({ interface: 'eth0', address: '10.0.0.2/8' });
    return world;
  }

  /** Returns all that documents can change, as text. */
  async state(): Promise<string> {
    const { kernel } = this;
    await using network = await Network.open({ kernel });
    await using ipvs = await Ipvs.open({ kernel });
    await using netfilter = await Netfilter.open({ kernel, owner: 'ipvs-a' });
    const links = (await network.links()).map(({ name, kind, up, data }) => ({ name, kind, up, data }));
    const tunnels = await network.udpTunnels();
    const addresses = (await network.addresses()).map((one) => `${one.interface} ${one.address}`);
    const state = {
      table: await ipvs.table(),
      timeouts: await ipvs.timeouts(),
      links,
      tunnels,
      addresses,
      routes: await network.routes({ table: 'all' }),
      rules: await network.rules(),
      sysctls: await Promise.all(sysctls.map(async (name) => `${name} = ${await network.sysctl(name)}`)),
      netfilter: await netfilter.entry(),
    };
    return JSON.stringify(state, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 1);
  }

  /** Returns the records that are there, by path. */
  async records(): Promise<Record<string, string>> {
    const paths = this.kernel.requests.flatMap(({ part, object }) => (part === 'journal' ? [object] : []));
    const records: Record<string, string> = {};
    for (const path of new Set(paths)) {
      const journal = await this.kernel.openJournal(path);
      const text = await journal.read();
      if (text !== undefined) records[path] = text;
      await journal.close();
    }
    return records;
  }

  async write(path: string, text: string): Promise<void> {
    const journal = await this.kernel.openJournal(path);
    await journal.replace(text);
    await journal.close();
  }
}
