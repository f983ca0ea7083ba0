// A network namespace to test in, and the tools of the trade to compare with.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { Ipvs, type TableRow } from '../../src/index.js';

let count = 0;

export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs a program in a namespace. */
export function runIn(namespace: string, program: string, ...args: string[]): string {
  return run('nsenter', `--net=/run/netns/${namespace}`, program, ...args);
}

/**
 * Makes a namespace for the tests of a file, where every address has a route: the kernel takes
 * only servers that it could reach.
 */
export function makeNamespace(): string {
  const name = `ipvs-test-${process.pid}-${count++}`;
  run('ip', 'netns', 'add', name);
  const commands = [
    'link set lo up',
    'link add d0 type dummy',
    'link set d0 up',
    'addr add 10.255.255.1/8 dev d0',
    'addr add fd00::ffff/16 dev d0 nodad',
    'route add default dev d0',
    '-6 route add default dev d0',
  ];
  for (const command of commands) run('ip', '-n', name, ...command.split(' '));
  return name;
}

export function deleteNamespace(name: string): void {
  run('ip', 'netns', 'delete', name);
}

export interface World {
  readonly namespace: string;
  readonly ipvs: Ipvs;
  ipvsadm(...args: string[]): string;
}

/** A namespace and a handle on it, for all tests of the calling file or block; each finds it empty. */
export function useWorld(): World {
  let namespace = '';
  let ipvs: Ipvs | undefined;
  beforeAll(async () => {
    namespace = makeNamespace();
    ipvs = await Ipvs.open({ namespace });
  });
  afterEach(async () => {
    await ipvs?.flush();
  });
  afterAll(async () => {
    await ipvs?.close();
    deleteNamespace(namespace);
  });
  return {
    get namespace() {
      return namespace;
    },
    get ipvs() {
      if (!ipvs) throw new Error('not open yet');
      return ipvs;
    },
    ipvsadm: (...args) => runIn(namespace, 'ipvsadm', ...args),
  };
}

/** What the kernel says that it has: modules that are there, loaded or not. */
export function hasModule(name: string): boolean {
  try {
    run('modprobe', '-n', '-q', name);
    return true;
  } catch {
    return false;
  }
}

export function kernelVersion(): number {
  const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number);
  return major + minor / 1000;
}

/** The lines of a text, sorted, without what is at their ends. */
export function sortedLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .sort();
}

const forwardingFlags = { nat: '-m', direct: '-g', tunnel: '-i', local: '-g', bypass: '-g' } as const;

const checksumFlags = { none: '--tun-nocsum', checksum: '--tun-csum', remote: '--tun-remcsum' } as const;

/** A table as `ipvsadm -Sn` writes it (which leaves thresholds out). */
export function saveText(table: readonly TableRow[]): string[] {
  return table.flatMap(({ service, servers }) => {
    const { key, persistence } = service;
    const endpoint = (address: string, port: number): string =>
      address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    const protocols = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;
    const name =
      'fwmark' in key
        ? `-f ${key.fwmark}${key.family === 'ipv6' ? ' -6' : ''}`
        : `${protocols[key.protocol]} ${endpoint(key.address, key.port)}`;
    const words = [`-A ${name} -s ${service.scheduler}`];
    if (persistence) {
      words.push(`-p ${persistence.timeout}`);
      const prefix = persistence.netmask;
      if (key.family === 'ipv4' && prefix !== 32) {
        const mask = typeof prefix === 'string' ? prefix : maskOf(prefix);
        words.push(`-M ${mask}`);
      }
      if (key.family === 'ipv6' && prefix !== 128) words.push(`-M ${prefix}`);
      if (persistence.engine !== undefined) words.push(`--pe ${persistence.engine}`);
    }
    if (service.onePacket) words.push('-o');
    if (service.schedulerFlags.length > 0) words.push(`-b ${service.schedulerFlags.join(',')}`);
    const lines = servers.map((server) => {
      const parts = [`-a ${name} -r ${endpoint(server.address, server.port)}`];
      parts.push(`${forwardingFlags[server.forwarding]} -w ${server.weight}`);
      const { tunnel } = server;
      if (tunnel) parts.push(`--tun-type ${tunnel.type}`);
      if (tunnel?.type === 'gue') parts.push(`--tun-port ${tunnel.port}`);
      if (tunnel && tunnel.type !== 'ipip') parts.push(checksumFlags[tunnel.checksum]);
      return parts.join(' ');
    });
    return [words.join(' '), ...lines];
  });
}

function maskOf(prefix: number): string {
  const mask = (0xffffffff << (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join('.');
}
