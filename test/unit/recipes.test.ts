// The recipes of examples/recipes and examples/container on a kernel in memory. Those that need a real one are also in
// test/recipes.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type * as library from '../../src/index.js';
import type { MemoryKernel as Memory } from '../../src/memory/index.js';
import { readPage } from '../guide.js';
import { until } from '../until.js';

const root = resolve(import.meta.dirname, '../..');
const files = readdirSync(join(root, 'examples/recipes')).map((name) => `examples/recipes/${name}`);
type Print = (line: string) => void;

/** Loads a module by its path, as a program does: examples import the package by its name. */
function load<T>(path: string): Promise<T> {
  return import(join(root, path));
}

let DesiredState: typeof library.DesiredState;
let Ipvs: typeof library.Ipvs;
let MemoryKernel: typeof Memory;
beforeAll(async () => {
  // One copy of the library: that of the examples.
  ({ DesiredState, Ipvs } = await load<typeof library>('dist/index.js'));
  ({ MemoryKernel } = await load<{ MemoryKernel: typeof Memory }>('dist/memory/index.js'));
});

const service = { protocol: 'tcp', address: '198.51.100.1', port: 80 } as const;

/** Lets a second pass at a time, with turns of the event loop between, until the work is done. */
async function advanceUntil<T>(kernel: Memory, work: Promise<T>): Promise<T> {
  let done = false;
  const end = () => {
    done = true;
  };
  work.then(end, end);
  while (!done) {
    kernel.advance(1000);
    for (let turn = 0; turn < 5; turn++) await setImmediate();
  }
  return work;
}

test('a recipe has 30 to 80 lines, begins with its purpose, and is in docs/recipes.md', () => {
  const page = readPage('docs/recipes.md');
  for (const file of [...files, 'examples/container/orchestrator.mjs']) {
    const text = readFileSync(join(root, file), 'utf8');
    const lines = text.trimEnd().split('\n').length;
    expect(lines >= 30 && lines <= 80, `${file}: ${lines} lines`).toBe(true);
    expect(text, file).toMatch(/^\/\/ [A-Z]/);
    expect(page, file).toContain(`(../${file})`);
  }
});

describe('swarm-node.mjs', () => {
  interface Recipe {
    drainTask(ipvs: library.Ipvs, address: string, options: { interval: number; print: Print }): Promise<void>;
    undoDrain(ipvs: library.Ipvs, address: string): Promise<void>;
    show(ipvs: library.Ipvs, print: Print): Promise<void>;
  }

  test('lists a namespace, and drains a task in all services without deleting it', async () => {
    const { drainTask, undoDrain, show } = await load<Recipe>('examples/recipes/swarm-node.mjs');
    const kernel = new MemoryKernel();
    const namespace = '/run/docker/netns/ingress_sbox';
    kernel.addNamespace(namespace);
    const { Network } = await load<typeof library>('dist/index.js');
    await using lo = await Network.open({ kernel, namespace });
    await lo.updateLink('lo', { up: true });
    await using ipvs = await Ipvs.open({ kernel, namespace });
    for (const fwmark of [256, 258]) {
      const web = await ipvs.addService({ fwmark, scheduler: 'rr' });
      for (const address of ['10.0.0.20', '10.0.0.21']) await web.addServer({ address });
    }
    const packet = { protocol: 'tcp', address: '10.0.0.15', port: 80, fwmark: 258 } as const;
    const connections = [1, 2].map(() => kernel.namespace(namespace).connect(packet));
    const lines: string[] = [];
    await show(ipvs, (line) => lines.push(line));
    expect(lines).toContain('mark 258 (0x102)');
    expect(lines).toContain('  task 10.0.0.20: weight 1, 1 active, 0 inactive connections');
    expect(lines.at(-1)).toBe(
      'conn_reuse_mode 1, expire_nodest_conn false; idle connections end after 900 s, UDP 300 s',
    );

    const read: string[] = [];
    const drained = drainTask(ipvs, '10.0.0.20', { interval: 10, print: (line) => read.push(line) });
    await until(() => read.length > 1);
    expect(new Set(read)).toEqual(new Set(['10.0.0.20: 1 connections']));
    connections.find((one) => one?.server.address === '10.0.0.20')?.close();
    kernel.advance(180_000);
    await drained;
    expect(read.at(-1)).toBe('10.0.0.20: 0 connections');
    const weights = async () =>
      (await ipvs.table())
        .flatMap(({ servers }) => servers.map(({ address, weight }) => `${address} ${weight}`))
        .sort();
    expect(await weights()).toEqual(['10.0.0.20 0', '10.0.0.20 0', '10.0.0.21 1', '10.0.0.21 1']);
    await undoDrain(ipvs, '10.0.0.20');
    expect(await weights()).toEqual(['10.0.0.20 1', '10.0.0.20 1', '10.0.0.21 1', '10.0.0.21 1']);
    await expect(undoDrain(ipvs, '10.0.0.99')).rejects.toThrow('no service of this namespace has a server 10.0.0.99');
  });
});

test('nat-masquerade.mjs applies, verifies and removes the director', async () => {
  interface Recipe {
    readonly description: library.NatDirectorRole;
    run(command: string, wanted: library.NatDirectorRole, options: object, print: Print): Promise<boolean>;
  }
  const { run, description } = await load<Recipe>('examples/recipes/nat-masquerade.mjs');
  const kernel = new MemoryKernel();
  const { Network } = await load<typeof library>('dist/index.js');
  await using network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  expect(await run('verify', description, { kernel }, print)).toBe(false);
  expect(lines).toContain('missing: service TCP 198.51.100.1:80: wlc');
  await run('apply', description, { kernel }, print);
  expect(lines).toContain('make address 198.51.100.1/32 on eth0');
  expect(await network.sysctl('net.ipv4.vs.conntrack')).toBe('1');
  expect(await run('verify', description, { kernel }, print)).toBe(true);
  expect(kernel.namespace().connect(service)?.server.port).toBe(8080);
  await run('remove', description, { kernel }, print);
  expect(await network.sysctl('net.ipv4.vs.conntrack')).toBe('0');
  await using ipvs = await Ipvs.open({ kernel });
  expect(await ipvs.table()).toEqual([]);
});

describe('deploy.mjs', () => {
  interface Recipe {
    deploy(
      ipvs: library.Ipvs,
      selector: library.ServiceSelector,
      update: (address: string, port: number) => Promise<unknown>,
      options: { timeLimit?: number; print: Print },
    ): Promise<void>;
  }

  /** Two servers with settings that a deploy must keep, and a connection to each. */
  async function begin() {
    const { deploy } = await load<Recipe>('examples/recipes/deploy.mjs');
    const kernel = new MemoryKernel();
    const ipvs = await Ipvs.open({ kernel });
    const web = await ipvs.addService({ ...service, scheduler: 'rr' });
    await web.addServer({ address: '10.0.0.11', weight: 3, upperThreshold: 100 });
    await web.addServer({
      address: '10.0.0.12',
      forwarding: 'tunnel',
      tunnel: { type: 'gue', port: 6080, checksum: 'checksum' },
    });
    const settings = async () =>
      (await web.servers()).map((one) => `${one} ${one.upperThreshold} ${JSON.stringify(one.tunnel)}`);
    const connections = [1, 2].map(() => kernel.namespace().connect(service));
    return { deploy, kernel, ipvs, web, settings, connections };
  }

  test('takes each server out once, when its connections are over, and restores its settings', async () => {
    const { deploy, kernel, ipvs, web, settings, connections } = await begin();
    for (const connection of connections) connection?.close();
    kernel.advance(180_000);
    const before = (await settings()).sort();
    const updated: string[] = [];
    const lines: string[] = [];
    const work = deploy(
      ipvs,
      service,
      async (address, port) => {
        updated.push(`${address}:${port}, ${(await web.servers()).length} left`);
      },
      { print: (line) => lines.push(line) },
    );
    await advanceUntil(kernel, work);
    expect(updated.sort()).toEqual(['10.0.0.11:80, 1 left', '10.0.0.12:80, 1 left']);
    expect((await settings()).sort()).toEqual(before);
    expect(lines).toContain('10.0.0.11:80 has weight 3 again');
    await ipvs.close();
  });

  test('a server that does not empty in time keeps its weight and its connection, and nothing is updated', async () => {
    const { deploy, kernel, ipvs, settings, connections } = await begin();
    const before = await settings();
    const updated: string[] = [];
    const work = deploy(ipvs, service, async (address) => updated.push(address), { timeLimit: 5000, print: () => {} });
    await expect(advanceUntil(kernel, work)).rejects.toMatchObject({ code: 'ERR_IPVS_TIMEOUT' });
    expect(updated).toEqual([]);
    expect((await settings()).map((line) => line.replace(/ +1 +0 /, ' 1 0 '))).toEqual(
      before.map((line) => line.replace(/ +1 +0 /, ' 1 0 ')),
    );
    expect(connections.map((one) => one?.packet())).toEqual([true, true]);
    await ipvs.close();
  });

  test('the only server of a service is not taken out', async () => {
    const { deploy, ipvs, web } = await begin();
    await (await web.server({ address: '10.0.0.12' })).delete();
    await expect(deploy(ipvs, service, async () => {}, { print: () => {} })).rejects.toThrow('has no second server');
    await ipvs.close();
  });
});

test('two-owners.mjs keeps the objects of two owners apart', async () => {
  const { demonstrate } = await load<{ demonstrate(options: object, print: Print): Promise<void> }>(
    'examples/recipes/two-owners.mjs',
  );
  const kernel = new MemoryKernel();
  const lines: string[] = [];
  await demonstrate({ kernel }, (line) => lines.push(line));
  const text = lines.join('\n');
  expect(text).toContain('web: make service TCP 198.51.100.9:8443: rr\n');
  expect(text).not.toContain('dns: make service TCP 198.51.100.9:8443');
  expect(text).toMatch(/^dns: make server 10\.0\.0\.21:8443 of TCP 198\.51\.100\.9:8443/m);
  expect(text).toMatch(/^dns: .*TCP 198\.51\.100\.1:80 .*web/m);
  expect(lines.at(-1)).toBe('web still differs in 0 objects');
  await using ipvs = await Ipvs.open({ kernel });
  expect(await ipvs.table()).toEqual([]);
});

test('save-restore.mjs restores a table, and keeps connections of what is as saved', async () => {
  interface Recipe {
    save(options: object): Promise<string>;
    restore(text: string, options: object): Promise<string[]>;
  }
  const { save, restore } = await load<Recipe>('examples/recipes/save-restore.mjs');
  const kernel = new MemoryKernel();
  await using ipvs = await Ipvs.open({ kernel });
  const web = await ipvs.addService({ ...service, scheduler: 'wrr' });
  await web.addServer({ address: '10.0.0.11', weight: 3, upperThreshold: 50 });
  const text = await save({ kernel });
  expect(text).toContain('-A -t 198.51.100.1:80 -s wrr\n-a -t 198.51.100.1:80 -r 10.0.0.11:80 -m -w 3 -x 50');
  const connection = kernel.namespace().connect(service);

  await web.addServer({ address: '10.0.0.12' });
  await (await web.server({ address: '10.0.0.11' })).update({ weight: 9 });
  await ipvs.addService({ fwmark: 7 });
  const done = await restore(text, { kernel });
  expect(done.sort()).toEqual([
    'change server 10.0.0.11:80 of TCP 198.51.100.1:80: nat, weight 3, thresholds 0 to 50',
    expect.stringMatching(/^take-back server 10\.0\.0\.12:80 of TCP 198\.51\.100\.1:80/),
    'take-back service FWM 7: wlc',
  ]);
  expect(await save({ kernel })).toBe(text);
  expect(connection?.packet()).toBe(true);
  expect(await restore(text, { kernel })).toEqual([]);
});

test('drift-watch.mjs reports a difference once, its repair, and stops at a signal', async () => {
  interface Options {
    readonly repair?: boolean;
    readonly signal: AbortSignal;
    readonly print: Print;
  }
  const { report } = await load<{ report(state: library.DesiredState, options: Options): Promise<void> }>(
    'examples/recipes/drift-watch.mjs',
  );
  const kernel = new MemoryKernel();
  await using state = await DesiredState.open(
    { owner: 'a', services: [{ ...service, servers: ['10.0.0.11'] }] },
    { kernel },
  );
  await state.apply();
  await using ipvs = await Ipvs.open({ kernel });
  for (const repair of [false, true]) {
    const lines: string[] = [];
    const stop = new AbortController();
    const running = report(state, { repair, signal: stop.signal, print: (line) => lines.push(line) });
    await (await (await ipvs.service(service)).server({ address: '10.0.0.11' })).delete();
    for (let second = 0; second < 6; second++) {
      kernel.advance(1000);
      for (let turn = 0; turn < 5; turn++) await setImmediate();
    }
    const servers = await (await ipvs.service(service)).servers();
    const missing = 'missing: server 10.0.0.11:80 of TCP 198.51.100.1:80: nat, weight 1';
    expect(lines.filter((line) => line === missing)).toEqual([missing]);
    expect(servers.length).toBe(repair ? 1 : 0);
    expect(lines.some((line) => line.startsWith('repaired: make server 10.0.0.11:80'))).toBe(repair);
    stop.abort();
    await running;
    await state.apply();
  }
});

test('memory-kernel.test.mjs passes with node --test', () => {
  const output = execFileSync(process.execPath, ['--test', join(root, 'examples/recipes/memory-kernel.test.mjs')], {
    encoding: 'utf8',
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  expect(output).toMatch(/pass 3\b/);
  expect(output).toMatch(/fail 0\b/);
});

describe('examples/container', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'ipvs-recipes-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test('the orchestrator applies a document, its changes and repairs, survives a mistake, and leaves everything', async () => {
    interface Options {
      readonly file: string;
      readonly interval: number;
      readonly signal: AbortSignal;
      readonly print: Print;
      readonly kernel: Memory;
    }
    const { run } = await load<{ run(options: Options): Promise<void> }>('examples/container/orchestrator.mjs');
    const kernel = new MemoryKernel();
    const file = join(directory, 'document.yaml');
    const write = (server: string) => {
      const text = `owner: a\nservices:\n  - { protocol: tcp, address: 198.51.100.1, port: 80, servers: [${server}] }\n`;
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    };
    const lines: string[] = [];
    const stop = new AbortController();
    await using ipvs = await Ipvs.open({ kernel });
    const servers = async () => (await (await ipvs.service(service)).servers()).map(({ address }) => address);
    const settle = (wanted: string) =>
      until(async () => {
        kernel.advance(20);
        return (await servers().catch(() => [])).join() === wanted;
      });
    write('10.0.0.11');
    const running = run({ file, interval: 20, signal: stop.signal, print: (line) => lines.push(line), kernel });
    await settle('10.0.0.11');
    write('10.0.0.12');
    await settle('10.0.0.12');
    write('nonsense');
    await until(() => lines.some((line) => line.startsWith('the document is not applied: ')));
    await (await (await ipvs.service(service)).server({ address: '10.0.0.12' })).delete();
    await settle('10.0.0.12');
    stop.abort();
    await running;
    expect(await servers()).toEqual(['10.0.0.12']);
  });

  test('the files give the record and the capabilities, and no more', () => {
    const read = (name: string) => readFileSync(join(root, 'examples/container', name), 'utf8');
    const documents = (name: string): Record<string, unknown>[] =>
      parseAllDocuments(read(name)).map((document) => {
        expect(document.errors, name).toEqual([]);
        return document.toJS() as Record<string, unknown>;
      });
    const [compose] = documents('compose.yaml');
    expect(compose).toMatchObject({
      services: {
        director: {
          network_mode: 'host',
          cap_add: ['NET_ADMIN', 'SYS_ADMIN'],
          volumes: [
            { source: '/run/ipvs', target: '/run/ipvs' },
            { target: '/etc/director', read_only: true },
          ],
        },
      },
    });
    const [config, set] = documents('daemonset.yaml');
    expect(set).toMatchObject({
      spec: {
        updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
        template: {
          spec: {
            hostNetwork: true,
            containers: [
              {
                securityContext: { runAsUser: 0, capabilities: { add: ['NET_ADMIN', 'SYS_ADMIN'] } },
                volumeMounts: [
                  { name: 'record', mountPath: '/run/ipvs' },
                  { name: 'document', mountPath: '/etc/director', readOnly: true },
                ],
              },
            ],
            volumes: [
              { hostPath: { path: '/run/ipvs', type: 'DirectoryOrCreate' } },
              { configMap: { name: 'director' } },
            ],
          },
        },
      },
    });
    expect(config).toMatchObject({ data: { 'document.yaml': expect.stringMatching(/^owner: director\n/) } });
  });

  test('the document of the DaemonSet can be applied', async () => {
    const text = readFileSync(join(root, 'examples/container/daemonset.yaml'), 'utf8');
    const config = parseAllDocuments(text)[0]?.toJS() as { data: Record<string, string> };
    const kernel = new MemoryKernel();
    await using state = await DesiredState.open(config.data['document.yaml'] ?? '', { kernel });
    await state.apply();
    expect(await state.verify()).toEqual([]);
    expect(kernel.namespace().connect(service)).toBeDefined();
  });
});
