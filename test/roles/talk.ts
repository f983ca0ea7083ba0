// Conversations between the hosts of a lab, and what the tools say of a host.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Helper, type Lab } from '../../scripts/lab.mjs';

/** Who answered, whom it saw, and the largest segments of both: `[the asker's, the answerer's]`. */
export interface Answer {
  readonly name: string;
  readonly seen: string;
  readonly segments?: readonly [number, number];
}

export interface Question {
  readonly protocol?: 'tcp' | 'udp';
  readonly count?: number;
  /** Seconds. Default: as many as an emulated machine may take. */
  readonly patience?: number;
}

/** One program speaks for all hosts of a lab. */
export class Talk {
  readonly #lab: Lab;
  readonly #program: Helper;

  private constructor(lab: Lab) {
    const file = fileURLToPath(new URL('programs/talk.py', import.meta.url));
    this.#lab = lab;
    this.#program = new Helper('talk.py', spawn('/usr/bin/python3', [file], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  static async start(lab: Lab): Promise<Talk> {
    const talk = new Talk(lab);
    await talk.#program.ready;
    return talk;
  }

  /** By TCP and UDP, IPv4 and IPv6. */
  async serve(host: string, port: number): Promise<void> {
    await this.#program.ask({ do: 'serve', namespace: this.#lab.host(host).namespace, name: host, port });
  }

  async ask(host: string, address: string, port: number, question: Question = {}): Promise<Answer[]> {
    const asked = { protocol: 'tcp', count: 1, patience: 20, ...question };
    return this.#program.ask({ do: 'ask', namespace: this.#lab.host(host).namespace, address, port, ...asked });
  }

  /** Each answer once: `NAME ADDRESS`, who it was and whom it saw; sorted. */
  async meet(host: string, address: string, port: number, question: Question = {}): Promise<string[]> {
    const answers = await this.ask(host, address, port, question);
    return [...new Set(answers.map(({ name, seen }) => `${name} ${seen}`))].sort();
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }
}

/** Loads modules: what they put into each namespace is there then before a test looks. */
export function load(...modules: string[]): void {
  for (const name of modules) spawnSync('modprobe', ['-q', name], { stdio: 'ignore' });
}

/** Runs a script of `sh` in a namespace. */
export function shell(namespace: string, script: string, input = ''): string {
  const args = [`--net=/run/netns/${namespace}`, 'sh', '-ec', script];
  return execFileSync('nsenter', args, { encoding: 'utf8', input, stdio: 'pipe' });
}

/** All that a role may change in a namespace, as the tools print it. */
export function snapshot(namespace: string): string {
  return shell(
    namespace,
    // Link-local addresses are checked for a second or two: they and their routes come by themselves.
    `for _ in $(seq 50); do ip -6 address | grep -q tentative || break; sleep 0.1; done
    ip -d link; ip address; ip rule; ip -6 rule; ip route show table all; nft list ruleset; ipvsadm -Sn
    iptables-legacy -S 2>&1; iptables-legacy -t nat -S 2>&1
    cd /proc/sys/net; grep -rs . ipv4/ip_forward ipv4/vs ipv4/conf; grep -s . ipv6/conf/*/forwarding`,
  );
}

/** Lines of a text, without indentation, as far as they are not empty. */
export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
