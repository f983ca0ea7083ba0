// Network namespaces to try things in, and what iproute2 says of them.
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import { addNamespace, deleteNamespace, type IpvsErrorCode, Network, namespaces } from '../../src/index.js';

// Where these are modules, interfaces of their kinds come with them.
for (const name of ['dummy', 'veth', 'bridge', 'vxlan', 'ipip', 'ip_gre', 'macvlan'])
  spawnSync('modprobe', ['-q', name], { stdio: 'ignore' });

/** Whether this kernel has interfaces of a kind. */
export function hasKind(kind: string, ...options: string[]): boolean {
  const name = `try${randomBytes(3).toString('hex')}`;
  const made = spawnSync('ip', ['link', 'add', name, 'type', kind, ...options], { stdio: 'ignore' }).status === 0;
  if (made) spawnSync('ip', ['link', 'delete', name]);
  return made;
}

let count = 0;

/** A name for a namespace of this test run. */
export function newName(): string {
  return `ipvs-net-${process.pid}-${++count}`;
}

/** Runs a program in a namespace: `ip`, ... */
export function runIn(namespace: string, ...command: string[]): string {
  return execFileSync('nsenter', [`--net=/run/netns/${namespace}`, ...command], { encoding: 'utf8', stdio: 'pipe' });
}

/** What a tool prints as JSON; nothing is an empty list. */
export function jsonIn<T = Record<string, unknown>>(namespace: string, ...command: string[]): T[] {
  return JSON.parse(runIn(namespace, ...command).trim() || '[]') as T[];
}

export interface Place {
  readonly name: string;
  readonly network: Network;
  /** Commands of `ip`, one a line. */
  ip(...commands: string[]): void;
  run(...command: string[]): string;
  json<T = Record<string, unknown>>(...command: string[]): T[];
}

/** Namespaces for the calling file or block, with `lo` up; they are gone afterwards. */
export function usePlaces(number: number): Place[] {
  const open: Network[] = [];
  const names = Array.from({ length: number }, newName);
  beforeAll(async () => {
    for (const name of names) {
      await addNamespace(name);
      const network = await Network.open({ namespace: name });
      open.push(network);
      await network.updateLink('lo', { up: true });
      // A machine that routes, as one with Docker, passes its setting on to new namespaces.
      await network.setSysctl('net.ipv4.ip_forward', false);
    }
  });
  afterAll(async () => {
    for (const network of open) await network.close();
    for (const name of names) await deleteNamespace(name);
    expect((await namespaces()).filter((entry) => names.includes(entry.name))).toEqual([]);
  });
  return names.map((name, index) => ({
    name,
    get network() {
      const network = open[index];
      if (!network) throw new Error('not open yet');
      return network;
    },
    ip: (...commands) =>
      void execFileSync('ip', ['-n', name, '-batch', '-'], { input: commands.join('\n'), stdio: 'pipe' }),
    run: (...command) => runIn(name, ...command),
    json: (...command) => jsonIn(name, ...command),
  }));
}

/** Whether a host answers: a closed port of UDP is refused. */
export function reaches(namespace: string, address: string): boolean {
  const program = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9))
s.settimeout(0.5)
for attempt in range(4):
  try:
    s.send(b"x")
    s.recv(1)
  except ConnectionRefusedError:
    print("yes")
    break
  except OSError:
    pass
`;
  return runIn(namespace, '/usr/bin/python3', '-c', program, address).trim() === 'yes';
}

/** How a promise fails. */
export async function failure(work: Promise<unknown>): Promise<{ code: IpvsErrorCode; message: string }> {
  try {
    await work;
  } catch (error) {
    return error as { code: IpvsErrorCode; message: string };
  }
  throw new Error('it did not fail');
}

/** Sockets and files of namespaces that this process holds, and mounts. */
export function holdings(): { files: number; mounts: number } {
  // Other files come and go with the test runner.
  const held = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return /^(socket:|net:|\/run\/netns)/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false;
    }
  });
  return { files: held.length, mounts: readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').length };
}

export function removeFile(path: string): void {
  rmSync(path, { force: true });
}
