// The networks of a swarm: its hosts, the namespace of its ingress, and its tasks.
import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Helper, Lab } from '../../scripts/lab.mjs';
import {
  type ConnectionEntry,
  type IngressRole,
  type IngressService,
  Ipvs,
  Netfilter,
  type NetfilterRuleOptions,
  Network,
  Role,
} from '../../src/index.js';
import type { Frame } from './lan.js';

export const CLIENT = '10.211.55.2';
export const HOST = '10.211.55.10';
export const SANDBOX = '172.18.0.2';
export const VIP = '10.0.0.15';
export const MARK = 0x102;
/** Published, and what tasks listen on. */
export const PORT = 9090;
export const TASK_PORT = 80;

export const tasks = [17, 20, 21].map((number) => ({ name: `task${number}`, address: `10.0.0.${number}` }));
/** What each says, once: who it is, and whom it sees. */
export const eachOnce = tasks.map(({ name }) => `${name} 10.0.0.2`);

/** As an operator writes it down. */
export function ingress(changes: Partial<IngressService> = {}, ...more: IngressService[]): IngressRole {
  return {
    role: 'ingress',
    interface: 'overlay',
    network: '10.0.0.0/24',
    source: '10.0.0.2',
    services: [
      {
        mark: MARK,
        vip: VIP,
        ports: [{ protocol: 'tcp', port: PORT }],
        servers: tasks.map(({ address }) => address),
        ...changes,
      },
      ...more,
    ],
  };
}

export class Swarm {
  readonly lab = new Lab();
  readonly #packets: Helper;
  readonly #handles: { close(): Promise<void> }[] = [];

  constructor() {
    const file = fileURLToPath(new URL('programs/packets.py', import.meta.url));
    this.#packets = new Helper('packets.py', spawn('/usr/bin/python3', [file], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  get ready(): Promise<void> {
    return this.#packets.ready;
  }

  namespace(host: string): string {
    return this.lab.host(host).namespace;
  }

  /** By its path, as an operator has it of Docker. */
  get sandbox(): string {
    return `/run/netns/${this.namespace('sandbox')}`;
  }

  /** Closed with the swarm. */
  async #opened<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
    const handle = await opening;
    this.#handles.push(handle);
    return handle;
  }

  role(description: IngressRole): Promise<Role> {
    return this.#opened(Role.open(description, { namespace: this.sandbox }));
  }

  ipvs(): Promise<Ipvs> {
    return this.#opened(Ipvs.open({ namespace: this.sandbox }));
  }

  network(host: string): Promise<Network> {
    return this.#opened(Network.open({ namespace: this.namespace(host) }));
  }

  netfilter(host: string, owner = 'ipvs'): Promise<Netfilter> {
    return this.#opened(Netfilter.open({ namespace: this.namespace(host), owner }));
  }

  /** What is published goes from the host to the ingress, and tasks translate the port that they get. */
  async publish(): Promise<void> {
    const set = async (host: string, ...rules: NetfilterRuleOptions[]): Promise<void> =>
      (await this.netfilter(host)).set({ rules });
    const published = { local: true, protocol: 'tcp', port: PORT, to: SANDBOX } as const;
    await set('host10', { type: 'dnat', ...published }, { type: 'dnat', hook: 'output', ...published });
    for (const { name, address } of tasks) {
      await this.#ask('serve', name, { name, ports: [TASK_PORT] });
      await set(name, { type: 'redirect', destination: address, protocol: 'tcp', port: PORT, toPort: TASK_PORT });
    }
  }

  #ask<T>(what: string, host?: string, question: object = {}): Promise<T> {
    return this.#packets.ask({ do: what, ...(host !== undefined && { namespace: this.namespace(host) }), ...question });
  }

  /** Connections; who served them, and as whom they saw the client, in order of names. */
  async meet(host: string, address: string, port: number, count = 3, more: { send?: number } = {}): Promise<string[]> {
    const said: string[] = await this.#ask('meet', host, { address, port, count, ...more });
    return said.sort();
  }

  /** How a connection that nobody serves ends. */
  refused(host: string, address: string, port: number): Promise<string> {
    return this.meet(host, address, port, 1).then(
      (said) => `served: ${said}`,
      (error: Error) => error.message,
    );
  }

  async capture(host: string): Promise<() => Promise<OverlayFrame[]>> {
    const number = await this.#ask('capture', host, { interface: 'lan' });
    return () => this.#ask('captured', undefined, { number });
  }

  /** Runs a script of `sh` in the namespace of a host. */
  shell(host: string, script: string, input = ''): string {
    const args = [`--net=/run/netns/${this.namespace(host)}`, 'sh', '-ec', script];
    return execFileSync('nsenter', args, { encoding: 'utf8', input, stdio: 'pipe' });
  }

  /** All that is set up in a namespace, as the tools print it. */
  snapshot(host: string): string {
    return this.shell(
      host,
      `ip address; ip route show table all; ip rule; ip neigh show nud permanent; bridge fdb
      cd /proc/sys/net/ipv4; grep -r . ip_forward vs conf/all conf/default; nft list ruleset; ipvsadm -Sn`,
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
    await this.#packets.stop();
    await this.lab.close();
  }
}

/** Also with what is around it in a vxlan. */
export interface OverlayFrame extends Frame {
  readonly vni?: number;
  /** Of the whole IPv4 packet, in bytes. */
  readonly length?: number;
}

/** `10.211.55.2:* 172.18.0.2:9090 10.0.0.20:9090` */
export async function connectionsOf(ipvs: Ipvs): Promise<string[]> {
  const found: string[] = [];
  for await (const connection of ipvs.connections()) found.push(toText(connection));
  return found.sort();
}

function toText({ clientAddress, virtualAddress, virtualPort, serverAddress, serverPort }: ConnectionEntry): string {
  return `${clientAddress}:* ${virtualAddress}:${virtualPort} ${serverAddress}:${serverPort}`;
}

/** Those of `ipvsadm -Lnc`, in the same words. */
export function listedConnections(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => /^(TCP|UDP)/.test(line))
    .map((line) => line.trim().split(/\s+/).slice(3))
    .map(([client = '', ...rest]) => [client.replace(/:\d+$/, ':*'), ...rest].join(' '))
    .sort();
}

/** Without what is counted. */
export function withoutCounters(text: string): string {
  return text.replace(/counter packets \d+ bytes \d+/g, 'counter');
}
