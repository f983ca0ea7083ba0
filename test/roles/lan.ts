// The local network of the scenarios with direct routing: a client, a director, and real servers.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Helper, type Host, Lab } from '../../scripts/lab.mjs';
import {
  type DirectDirectorRole,
  type IpvsError,
  Role,
  type RoleDescription,
  type RoleOptions,
  type Step,
} from '../../src/index.js';

export const VIP = '192.168.1.100';
export const CLIENT = '192.168.1.10';
export const SERVERS = ['192.168.1.101', '192.168.1.102', '192.168.1.103'];

/** A director of scenario 2. */
export const director: DirectDirectorRole = {
  role: 'direct-director',
  vip: VIP,
  mark: 80,
  scheduler: 'lc',
  interface: 'lan',
  servers: SERVERS.map((address) => ({ address })),
};

/** A frame as programs/packets.py reads it. */
export interface Frame {
  readonly type: string;
  readonly from: string;
  readonly to: string;
  /** Whether it was sent there, not received. */
  readonly out: boolean;
  readonly mac: string;
  readonly operation: number;
  readonly source: number;
  readonly port: number;
  readonly mss?: number;
  readonly inner: Frame;
}

/** Loads modules: what they put into each namespace is there then before a test looks. */
export function load(...modules: string[]): void {
  for (const name of modules) spawnSync('modprobe', ['-q', name], { stdio: 'ignore' });
}

export class Lan {
  readonly lab = new Lab();
  readonly #packets: Helper;
  readonly #roles: Role[] = [];

  private constructor() {
    const file = fileURLToPath(new URL('programs/packets.py', import.meta.url));
    this.#packets = new Helper('packets.py', spawn('/usr/bin/python3', [file], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  static async make(servers = 3, sysctls: Record<string, number> = {}): Promise<Lan> {
    const lan = new Lan();
    // Its addresses come by themselves, some time after the link is up.
    const quiet = { 'net.ipv6.conf.lan.disable_ipv6': 1 };
    lan.lab.add({
      client: { networks: { lan: [`${CLIENT}/24`] }, sysctls: quiet },
      director: { networks: { lan: ['192.168.1.2/24'] }, sysctls: quiet },
      ...Object.fromEntries(
        SERVERS.slice(0, servers).map((address, index) => [
          `server${index + 1}`,
          { networks: { lan: [`${address}/24`] }, sysctls: { ...quiet, ...sysctls } },
        ]),
      ),
    });
    await lan.#packets.ready;
    for (const { name } of lan.servers) await lan.ask('serve', name, { name, ports: [1883, 8000] });
    return lan;
  }

  get servers(): Host[] {
    return SERVERS.flatMap((_, index) => {
      try {
        return [this.lab.host(`server${index + 1}`)];
      } catch {
        return [];
      }
    });
  }

  /** Of the program for packets. */
  ask<T>(what: string, host?: string, question: object = {}): Promise<T> {
    return this.#packets.ask({
      do: what,
      ...(host !== undefined && { namespace: this.lab.host(host).namespace }),
      ...question,
    });
  }

  /** Connections of the client; who served them, and as whom they saw it. */
  meet(port: number, count: number, more: { send?: number } = {}): Promise<string[]> {
    return this.ask('meet', 'client', { address: VIP, port, count, ...more });
  }

  mac(host: string): Promise<string> {
    return this.ask('mac', host, { interface: 'lan' });
  }

  /** Who answers that it has the virtual address; once for each answer. */
  probe(): Promise<string[]> {
    return this.ask('probe', 'client', { interface: 'lan', address: VIP });
  }

  async capture(host: string): Promise<() => Promise<Frame[]>> {
    const number = await this.ask('capture', host, { interface: 'lan' });
    return () => this.ask('captured', undefined, { number });
  }

  async role(host: string, description: RoleDescription, options: RoleOptions = {}): Promise<Role> {
    const role = await Role.open(description, { namespace: this.lab.host(host).namespace, ...options });
    this.#roles.push(role);
    return role;
  }

  async close(): Promise<void> {
    try {
      for (const role of this.#roles) await role.remove();
    } finally {
      await Promise.all(this.#roles.map((role) => role.close()));
      await this.#packets.stop();
      await this.lab.close();
    }
  }
}

/** All of a namespace that roles change, as the tools tell it. */
export function snapshot(namespace: string): string {
  const script = `
    printf '%s\\n' 'addr show' 'rule show' 'route show table all' 'fou show' | ip -force -batch - 2>/dev/null
    ip -6 rule show; nft list ruleset; ipvsadm -Sn
    cd /proc/sys/net && grep . ipv4/ip_forward ipv4/conf/*/arp_ignore ipv4/conf/*/arp_announce ipv4/conf/*/rp_filter`;
  // Of a link that is new, the kernel still asks whether its address is taken.
  return inside(namespace, 'sh', '-c', script).replaceAll(' tentative', '');
}

export function inside(namespace: string, ...command: string[]): string {
  return execFileSync('nsenter', [`--net=/run/netns/${namespace}`, ...command], { encoding: 'utf8', stdio: 'pipe' });
}

/** What is in the way, or was done: only what is not as it was already. */
export function changed(steps: readonly Step[]): string[] {
  return steps.filter(({ action }) => action !== 'keep').map(({ action, what }) => `${action} ${what}`);
}

/** Files in which roles keep what they have made. */
export function records(): string[] {
  // Of who was killed the lock is left, which locks nothing any more.
  return existsSync('/run/ipvs') ? readdirSync('/run/ipvs').filter((name) => !name.endsWith('.lock')) : [];
}

export async function failure(work: Promise<unknown>): Promise<IpvsError> {
  try {
    await work;
  } catch (error) {
    return error as IpvsError;
  }
  throw new Error('it did not fail');
}
