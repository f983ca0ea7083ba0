// One namespace that roles are taken in, without any packets: what they leave is compared.
import { spawnSync } from 'node:child_process';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import {
  type DirectDirectorRole,
  Ipvs,
  Netfilter,
  Network,
  type RealServerRole,
  Role,
  type RoleDescription,
  type RoleOptions,
} from '../../src/index.js';
import { director, load, records, snapshot, VIP } from './lan.js';
import { type Meddle, meddlingKernel } from './meddling.js';

export const byRouting: DirectDirectorRole = { ...director, interface: undefined, table: 100 };
export const realServer: RealServerRole = {
  role: 'real-server',
  vip: VIP,
  interface: 'lan',
  device: 'vip0',
  tunnel: { type: 'gue', port: 6080, local: '192.168.1.2' },
  segmentSize: 1400,
};

let count = 0;

/** Namespaces with an interface `lan`. */
export function make(...names: string[]): void {
  const commands = names.flatMap((name) => [
    `netns add ${name}`,
    `-n ${name} link set lo up`,
    `-n ${name} link add lan type dummy`,
    `-n ${name} link set lan up`,
    `-n ${name} addr add 192.168.1.2/24 dev lan`,
  ]);
  const script = commands.map((command) => `ip ${command}`).join(' && ');
  const { status, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** A namespace for all tests of the calling file, which each of them leaves as it found it. */
export class Place {
  readonly name = `ipvs-place-${process.pid}-${++count}`;
  /** A namespace like it, for what takes two. */
  readonly other = `${this.name}-other`;
  readonly #roles: Role[] = [];
  #network: Network | undefined;
  #ipvs: Ipvs | undefined;
  #tables: Netfilter[] = [];
  #before = '';
  #atFirst = '';

  get network(): Network {
    if (!this.#network) throw new Error('not open yet');
    return this.#network;
  }

  get ipvs(): Ipvs {
    if (!this.#ipvs) throw new Error('not open yet');
    return this.#ipvs;
  }

  /** How it is to be after each test. */
  get before(): string {
    return this.#before;
  }

  async open(description: RoleDescription, options: RoleOptions & { meddle?: Meddle } = {}): Promise<Role> {
    const { meddle, ...more } = options;
    const kernel = meddle && { kernel: meddlingKernel(meddle) };
    const role = await Role.open(description, { namespace: this.name, ...kernel, ...more });
    this.#roles.push(role);
    return role;
  }

  /** All that roles change here. Much quicker than {@link snapshot}. */
  async state(): Promise<string> {
    const { network, ipvs } = this;
    const settings = ['all', 'lan'].flatMap((name) =>
      ['arp_ignore', 'arp_announce', 'rp_filter'].map((setting) => `net/ipv4/conf/${name}/${setting}`),
    );
    const found = await Promise.all([
      network.links().then((links) => links.map(({ name, kind, up }) => [name, kind, up])),
      network.addresses().then((all) => all.map(({ interface: name, address }) => [name, address]).sort()),
      network.routes({ table: 100 }),
      network.rules(),
      network.udpTunnels(),
      ipvs
        .table()
        .then((table) =>
          table.map(({ service, servers }) => [inspect(service), ...servers.map((one) => inspect(one)).sort()]),
        ),
      ...this.#tables.map(async (table) => [await table.marks(), await table.rules()]),
      ...settings.map((name) => network.sysctl(name)),
    ]);
    return inspect(found, { depth: 9, compact: 9, breakLength: 120 });
  }

  /** After something was made anew that has numbers of its own. */
  async takeAsItIs(): Promise<void> {
    this.#before = await this.state();
    this.#atFirst = snapshot(this.name);
  }

  async begin(): Promise<void> {
    load('dummy', 'ipip', 'fou');
    make(this.name, this.other);
    const namespace = this.name;
    this.#network = await Network.open({ namespace });
    this.#ipvs = await Ipvs.open({ namespace });
    this.#tables = await Promise.all(
      ['direct-director', 'real-server'].map((name) => Netfilter.open({ namespace, owner: `ipvs-${name}` })),
    );
    await this.takeAsItIs();
  }

  async endTest(): Promise<void> {
    await Promise.all(this.#roles.splice(0).map((role) => role.close()));
    expect(await this.state()).toBe(this.#before);
    expect(records()).toEqual([]);
  }

  async end(): Promise<void> {
    try {
      expect(snapshot(this.name)).toBe(this.#atFirst);
    } finally {
      await Promise.all([this.#network, this.#ipvs, ...this.#tables].map((handle) => handle?.close()));
      spawnSync('sh', ['-c', `ip netns del ${this.name}; ip netns del ${this.other}`]);
    }
  }
}

export function usePlace(): Place {
  const place = new Place();
  beforeAll(() => place.begin());
  afterEach(() => place.endTest());
  afterAll(() => place.end());
  return place;
}
