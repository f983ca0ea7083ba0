// No connection fails while the document changes, again and again.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addDirector, Lab } from '../../scripts/lab.mjs';
import { type DesiredDocument, type DesiredService, DesiredState } from '../../src/index.js';
import { run, runIn } from '../ipvs/world.js';
import { load } from '../roles/lan.js';

/** A multiple of a thousand. */
const CONNECTIONS = Number(process.env.IPVS_CONNECTIONS ?? 4000);
const CHANGES = CONNECTIONS / 100;
const AT_A_TIME = 20;
const PORT = 80;
const SERVER_PORT = 8080;

const lab = new Lab();
let network: ReturnType<typeof addDirector>;
let directory: string;
let program: string;

beforeAll(async () => {
  load('ip_vs', 'ip_vs_wrr', 'ip_vs_rr');
  network = addDirector(lab);
  directory = mkdtempSync(join(tmpdir(), 'ipvs-churn-'));
  program = join(directory, 'churn');
  run('cc', '-O2', '-o', program, fileURLToPath(new URL('programs/churn.c', import.meta.url)));
});

afterAll(async () => {
  if (directory) rmSync(directory, { recursive: true });
  await lab.close();
});

/** One of the service under test, and any of others. */
function documents(): fc.Arbitrary<DesiredDocument> {
  const address = network.virtual.ipv4;
  const servers = network.servers.map(({ ipv4 }) => ipv4);
  const used = fc
    .subarray(servers, { minLength: 1 })
    .chain((some) =>
      fc
        .array(fc.integer({ min: 0, max: 3 }), { minLength: some.length, maxLength: some.length })
        .map((weights) =>
          some.map((server, index) => ({ address: server, port: SERVER_PORT, weight: weights[index] ?? 1 })),
        ),
    )
    .filter((list) => list.some(({ weight }) => weight > 0));
  const other = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    address: fc.constant(address),
    port: fc.integer({ min: 1000, max: 1005 }),
    scheduler: fc.constantFrom('rr', 'wrr'),
    servers: fc.subarray(servers),
  });
  return fc
    .record({
      list: used,
      others: fc.uniqueArray(other, { maxLength: 4, selector: ({ protocol, port }) => `${protocol} ${port}` }),
      timeout: fc.constantFrom(5, 5, 60),
    })
    .map(({ list, others, timeout }) => {
      const service: DesiredService = { protocol: 'tcp', address, port: PORT, scheduler: 'wrr', servers: list };
      return {
        owner: 'churn',
        namespace: network.director.namespace,
        services: [service, ...others],
        drain: { timeout },
      };
    });
}

interface Result {
  readonly connections: number;
  readonly failed: number;
  readonly error: string;
  /** Milliseconds. */
  readonly slowest: number;
  readonly took: number;
}

/** What IPVS has of this port of the client, and its table. */
function heldOf(port: string): string[] {
  const ask = (options: string): string => runIn(network.director.namespace, 'ipvsadm', options);
  const connections = ask('-Lnc').split('\n');
  return [...connections.filter((line) => line.includes(`:${port} `)), ask('-Ln')];
}

/** Connections of the client, until it is told to end. */
class Churn {
  readonly #child;
  readonly #ended: Promise<void>;
  #last = '';
  #due = 0;
  #heard: () => void = () => {};
  /** What IPVS held of the first connection that failed, and what had been changed before. */
  evidence = '';
  /** What was changed. */
  readonly told: string[] = [];

  constructor() {
    const spaces = network.servers.map(({ host }) => host.namespace);
    const args = [network.client.namespace, network.virtual.ipv4, PORT, AT_A_TIME, SERVER_PORT, ...spaces];
    this.#child = spawn(program, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const [, port] = /^failed: .* port (\d+)/.exec(line) ?? [];
      if (port) this.evidence = [line, ...heldOf(port), ...this.told.slice(-4)].join('\n');
      else this.#last = line;
      this.#heard();
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
  }

  /** So many more, a multiple of 10; until they are over, or it ended by itself. */
  async more(count: number): Promise<void> {
    this.#due += count;
    this.#child.stdin.write('.'.repeat(count / 10));
    while (!(Number(this.#last) >= this.#due) && this.#child.exitCode === null)
      await Promise.race([this.#ended, new Promise<void>((resolve) => (this.#heard = resolve))]);
  }

  async end(): Promise<Result> {
    this.#child.stdin.end();
    await this.#ended;
    return JSON.parse(this.#last) as Result;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

test(`of ${CONNECTIONS} short connections none fails while the document changes ${CHANGES} times`, async () => {
  const seed = Number(process.env.IPVS_SEED ?? Math.trunc(Math.random() * 2 ** 31));
  const [first, ...changes] = fc.sample(documents(), { numRuns: CHANGES + 1, seed });
  if (!first) throw new Error('no document');
  await using state = await DesiredState.open(first);
  await state.apply();
  const done: Record<string, number> = {};
  const count = (action: string): void => {
    done[action] = (done[action] ?? 0) + 1;
  };
  const churn = new Churn();
  let result: Result;
  try {
    for (const next of changes) {
      const [steps] = await Promise.all([state.apply(next), churn.more(CONNECTIONS / CHANGES)]);
      for (const { action } of steps) count(action);
      churn.told.push(steps.map(({ action, what }) => `${action} ${what}`).join('; '));
      // Those whose time is over go: one look, of a loop that is left.
      for await (const { state: is } of state.drain()) {
        if (is === 'draining') break;
        count('gone');
      }
    }
    result = await churn.end();
  } finally {
    churn.kill();
    await state.remove();
  }
  console.log(`seed ${seed}: ${JSON.stringify(result)}; steps ${JSON.stringify(done)}`);
  expect(result, `with seed ${seed}: ${JSON.stringify(result)}\n${churn.evidence}`).toMatchObject({
    failed: 0,
    error: '',
  });
  expect(result.connections).toBeGreaterThanOrEqual(CONNECTIONS);
  for (const action of ['make', 'change', 'take-back', 'drain']) expect(done[action] ?? 0).toBeGreaterThan(5);
  expect(runIn(network.director.namespace, 'ipvsadm', '-Sn')).toBe('');
}, 600_000);
