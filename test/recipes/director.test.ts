// The recipes that need IPVS, as programs of their own, between the hosts of a lab.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { addDirector, type Helper, Lab } from '../../scripts/lab.mjs';
import {
  DesiredState,
  type Ipvs,
  type NatDirectorRole,
  namespaces,
  type RoleOptions,
  type ServiceSelector,
} from '../../src/index.js';
import { inside, records } from '../roles/lan.js';
import { until } from '../until.js';

const examples = new URL('../../examples/', import.meta.url);
const directory = mkdtempSync(join(tmpdir(), 'ipvs-recipes-'));
const lab = new Lab();
let client: Helper;
let namespace = '';
const virtual = '10.1.0.100';
/** Each test has a port of its own: a server that is added again to a service of the same address has its old connections. */
const ports = { deploy: 81, swarm: 82, save: 83, drift: 84, container: 85 };
const servers = [1, 2, 3].map((number) => `10.2.0.1${number}`);

beforeAll(async () => {
  addDirector(lab);
  namespace = lab.host('director').namespace;
  const program = (name: string) => new URL(`programs/${name}.mjs`, examples);
  for (const number of [1, 2, 3]) await lab.host(`server${number}`).start(program('server'), `server${number}`, 80);
  client = await lab.host('client').start(program('client'));
});
afterAll(async () => {
  await lab.close();
  rmSync(directory, { recursive: true });
});
afterEach(async () => {
  inside(namespace, 'ipvsadm', '-C');
  expect(records()).toEqual([]);
});

function command(recipe: string, args: readonly string[]): [string, string[]] {
  return [
    'nsenter',
    [`--net=/run/netns/${namespace}`, process.execPath, fileURLToPath(new URL(recipe, examples)), ...args],
  ];
}

/** Runs a recipe in the namespace of the director. */
async function run(recipe: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(...command(recipe, args));
  return stdout;
}

test('first-request balances and drains, in a namespace that it deletes', async () => {
  const recipe = fileURLToPath(new URL('recipes/first-request.mjs', examples));
  const { stdout } = await promisify(execFile)(process.execPath, [recipe]);
  const [both = '', drained = ''] = stdout.split('\n');
  expect(both.split(': ')[1]?.split(' ').toSorted()).toEqual(['127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.3']);
  expect(drained).toBe(`127.0.0.2 gets no new connections: ${Array(4).fill('127.0.0.3').join(' ')}`);
  expect(stdout).toContain('127.0.0.3:8080');
  expect(await namespaces()).not.toContainEqual(expect.stringContaining('first-request'));
});

/** Returns the table as lines of `ipvsadm -Sn`, sorted. */
const table = (): string[] => inside(namespace, 'ipvsadm', '-Sn').trim().split('\n').filter(Boolean).sort();

const names = async (port: number, question: object): Promise<string[]> =>
  (await client.ask({ address: virtual, port, ...question })).map((line: string) => line.replace('::ffff:', ''));

test('deploy.mjs leaves a server with a connection alone at its time limit, and updates the others', async () => {
  interface Recipe {
    deploy(
      ipvs: Ipvs,
      selector: ServiceSelector,
      update: (address: string) => Promise<unknown>,
      options: { timeLimit: number; print(line: string): void },
    ): Promise<void>;
  }
  const { deploy } = (await import(new URL('recipes/deploy.mjs', examples).href)) as Recipe;
  // The handle has to be of the copy of the library that the recipe imports.
  const library: typeof import('../../src/index.js') = await import(new URL('../dist/index.js', examples).href);
  await using ipvs = await library.Ipvs.open({ namespace });
  const selector = { protocol: 'tcp', address: virtual, port: ports.deploy } as const;
  const web = await ipvs.addService({ ...selector, scheduler: 'rr' });
  for (const address of servers) await web.addServer({ address, port: 80, weight: 5 });
  const before = table();
  const updated: string[] = [];
  const options = { timeLimit: 3000, print: () => {} };
  const update = async (address: string) => updated.push(address);
  await deploy(ipvs, selector, update, options);
  expect(updated.sort()).toEqual(servers);
  expect(table()).toEqual(before);

  const [held] = await names(ports.deploy, { kind: 'hold' });
  await expect(deploy(ipvs, selector, update, options)).rejects.toMatchObject({ code: 'ERR_IPVS_TIMEOUT' });
  expect(table()).toEqual(before);
  expect(await names(ports.deploy, { kind: 'held' })).toEqual([held]);
  await client.ask({ kind: 'drop' });
});

test('swarm-node.mjs lists a namespace, drains a task and undoes it', async () => {
  inside(namespace, 'sh', '-ec', `ipvsadm -A -t ${virtual}:${ports.swarm} -s rr; ipvsadm -A -f 258 -s rr`);
  for (const address of servers) {
    inside(namespace, 'ipvsadm', '-a', '-t', `${virtual}:${ports.swarm}`, '-r', `${address}:80`, '-m');
    inside(namespace, 'ipvsadm', '-a', '-f', '258', '-r', address, '-m');
  }
  const before = table();
  const option = `--namespace=/run/netns/${namespace}`;
  expect(await run('recipes/swarm-node.mjs', option)).toMatch(
    /^mark 258 \(0x102\)\n(?: {2}task 10\.2\.0\.1\d: weight 1, 0 active, 0 inactive connections\n){3}/m,
  );
  expect(await run('recipes/swarm-node.mjs', option, 'drain', '10.2.0.11')).toBe('10.2.0.11: 0 connections\n');
  expect(table().filter((line) => line.endsWith('-w 0'))).toEqual(
    before.filter((line) => line.includes('10.2.0.11')).map((line) => line.replace('-w 1', '-w 0')),
  );
  expect([...new Set(await names(ports.swarm, { kind: 'tcp', count: 4 }))].sort()).toEqual(['server2', 'server3']);
  await run('recipes/swarm-node.mjs', option, 'undo', '10.2.0.11');
  expect(table()).toEqual(before);
  expect([...new Set(await names(ports.swarm, { kind: 'tcp', count: 6 }))].sort()).toEqual([
    'server1',
    'server2',
    'server3',
  ]);
});

test('nat-masquerade.mjs reaches servers that have no route to the client, and leaves nothing', async () => {
  interface Recipe {
    readonly description: NatDirectorRole;
    run(command: string, wanted: NatDirectorRole, options: RoleOptions, print: () => void): Promise<boolean>;
  }
  const recipe = (await import(new URL('recipes/nat-masquerade.mjs', examples).href)) as Recipe;
  const address = '10.1.0.200';
  const wanted: NatDirectorRole = {
    ...recipe.description,
    interface: 'clients',
    services: [
      {
        service: { protocol: 'tcp', address, port: 80, scheduler: 'rr' },
        servers: servers.slice(0, 2).map((server) => ({ address: server })),
      },
    ],
  };
  for (const number of [1, 2]) lab.host(`server${number}`).ip('route del default');
  try {
    expect(await recipe.run('verify', wanted, { namespace }, () => {})).toBe(false);
    await recipe.run('apply', wanted, { namespace }, () => {});
    expect(await recipe.run('verify', wanted, { namespace }, () => {})).toBe(true);
    // The servers see the director.
    expect([...new Set(await names(80, { kind: 'seen', address, count: 4 }))].sort()).toEqual([
      'server1 10.2.0.1',
      'server2 10.2.0.1',
    ]);
    await recipe.run('remove', wanted, { namespace }, () => {});
    expect(table()).toEqual([]);
    expect(inside(namespace, 'nft', 'list', 'ruleset').trim()).toBe('');
    expect(inside(namespace, 'ip', 'address')).not.toContain(address);
  } finally {
    for (const number of [1, 2]) lab.host(`server${number}`).ip('route add default via 10.2.0.1');
  }
});

test('two-owners.mjs runs to its end and leaves an empty table', async () => {
  const output = await run('recipes/two-owners.mjs');
  expect(output).toMatch(/^dns: .*TCP 198\.51\.100\.1:80 .*web/m);
  expect(output).toMatch(/^web still differs in 0 objects$/m);
  expect(table()).toEqual([]);
});

test('save-restore.mjs saves what ipvsadm saves, and restores it around a connection', async () => {
  const service = `${virtual}:${ports.save}`;
  inside(namespace, 'ipvsadm', '-A', '-t', service, '-s', 'rr', '-p', '600');
  for (const server of servers) inside(namespace, 'ipvsadm', '-a', '-t', service, '-r', `${server}:80`, '-m');
  inside(namespace, 'ipvsadm', '-A', '-f', '7', '-s', 'sh', '-b', 'sh-port');
  const before = table();
  const file = join(directory, 'table.rules');
  await run('recipes/save-restore.mjs', 'save', file);
  expect(readFileSync(file, 'utf8').trim().split('\n').sort()).toEqual(before);

  const [held] = await names(ports.save, { kind: 'hold' });
  inside(namespace, 'sh', '-ec', `ipvsadm -D -f 7; ipvsadm -A -f 8; ipvsadm -e -t ${service} -r 10.2.0.12:80 -m -w 9`);
  const output = await run('recipes/save-restore.mjs', 'restore', file);
  expect(output.trim().split('\n').length).toBe(3);
  expect(table()).toEqual(before);
  expect(await names(ports.save, { kind: 'held' })).toEqual([held]);
  await client.ask({ kind: 'drop' });
});

test('drift-watch.mjs reports by its exit status', async () => {
  const document = {
    owner: 'drift',
    services: [{ protocol: 'tcp', address: virtual, port: ports.drift, servers }],
  } as const;
  const file = join(directory, 'drift.yaml');
  writeFileSync(file, JSON.stringify(document));
  await using state = await DesiredState.open({ ...document, namespace });
  // The program has the same namespace by another name: the record is that of the namespace.
  await state.apply();
  expect(await run('recipes/drift-watch.mjs', file, '--once')).toBe('');
  inside(namespace, 'ipvsadm', '-d', '-t', `${virtual}:${ports.drift}`, '-r', `10.2.0.12:${ports.drift}`);
  await expect(run('recipes/drift-watch.mjs', file, '--once')).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^missing: server 10\.2\.0\.12:84 /),
  });
  await state.remove();
});

test('the orchestrator of examples/container leaves the director at SIGTERM, and the next one continues', async () => {
  const file = join(directory, 'document.yaml');
  const document = (list: readonly string[]) => {
    const some = list.map((address) => ({ address, port: 80 }));
    const service = { protocol: 'tcp', address: virtual, port: ports.container, servers: some };
    writeFileSync(file, JSON.stringify({ owner: 'director', services: [service] }));
  };
  const start = (): ChildProcess =>
    spawn(...command('container/orchestrator.mjs', []), {
      env: { ...process.env, DOCUMENT: file },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const stop = async (program: ChildProcess): Promise<void> => {
    const exited = once(program, 'exit');
    program.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  };
  document(servers.slice(0, 2));
  const first = start();
  await until(() => table().length === 3, Boolean, 60_000);
  await stop(first);
  expect(table().length).toBe(3);
  expect([...new Set(await names(ports.container, { kind: 'tcp', count: 4 }))].sort()).toEqual(['server1', 'server2']);

  document(servers.slice(1));
  const second = start();
  await until(() => table().join().includes('10.2.0.13') && !table().join().includes('10.2.0.11'), Boolean, 60_000);
  await stop(second);
  await using state = await DesiredState.open({ owner: 'director', namespace });
  await state.remove();
  expect(table()).toEqual([]);
});

test('real-kernel.test.mjs passes with node --test, and skips nothing', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--test', fileURLToPath(new URL('recipes/real-kernel.test.mjs', examples))],
    { env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  );
  expect(stdout).toMatch(/pass 2\b/);
  expect(stdout).toMatch(/skipped 0\b/);
});
