// Scenario 9: servers leave when their connections are over, or their time is.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DesiredDocument, DesiredService, DesiredState, DrainProgress, Step } from '../../src/index.js';
import { failure, records } from '../roles/lan.js';
import { meddlingKernel } from '../roles/meddling.js';
import { Director, names, OWNER, until } from './director.js';

/** Of the service under test. Connections outlive their service: each test has a port of its own. */
let port = 1000;
let director: Director;
let state: DesiredState;

beforeAll(async () => {
  director = await Director.make();
});

beforeEach(async () => {
  port++;
  state = await director.open(document([1, 2, 3]));
  await state.apply();
});

afterEach(async () => {
  await state.remove();
  expect(director.shell('ipvsadm -Sn')).toBe('');
  expect(records()).toEqual([]);
});

afterAll(async () => {
  await director?.close();
});

function document(servers: readonly number[], timeout = 60, more: Partial<DesiredService> = {}): DesiredDocument {
  const service = { protocol: 'tcp', address: director.virtual, port, scheduler: 'rr', ...more } as DesiredService;
  return {
    owner: OWNER,
    namespace: director.namespace,
    services: [{ ...service, servers: servers.map((number) => director.server(number)) }],
    drain: { timeout },
  };
}

const service = (): string => `TCP ${director.virtual}:${port}`;
const key = () => ({ protocol: 'tcp', address: director.virtual, port }) as const;
const numberOf = (name: string): number => Number(name.replace('server', ''));
const others = (name: string): number[] => [1, 2, 3].filter((number) => number !== numberOf(name));
const othersNames = (name: string): string[] => others(name).map((number) => `server${number}`);

/** `10.2.0.11:8080 1`: servers with their weights. */
function weights(): string[] {
  return director
    .shell('ipvsadm -Sn')
    .split('\n')
    .flatMap((line) => (/-r (\S+) .*-w (\d+)/.exec(line)?.slice(1).join(' ') ?? []) as string | [])
    .sort();
}

interface Drained {
  readonly told: DrainProgress[];
  readonly end: Promise<void>;
}

function drain(of = state): Drained {
  const told: DrainProgress[] = [];
  const end = (async () => {
    for await (const progress of of.drain({ interval: 200 })) told.push(progress);
  })();
  return { told, end };
}

describe('a long connection', () => {
  let held: string;
  let server: string;
  const serverKey = () => {
    const { address, port } = director.server(numberOf(held));
    return { address, port };
  };

  beforeEach(async () => {
    held = await director.hold('long', port);
    server = director.serverName(numberOf(held));
  });

  test('lives on a server that takes no new ones; when it is over, the server goes', async () => {
    const steps = await state.apply(document(others(held)));
    expect(steps).toEqual([
      {
        action: 'drain',
        what: `server ${server} of ${service()}: nat, weight 1`,
        is: '1 active, 0 inactive, 0 persistent connections',
      },
    ]);
    expect(weights()).toContain(`${server} 0`);
    const { told, end } = drain();
    expect(names(await director.meet(port, 12))).toEqual(othersNames(held));
    expect(await director.echo('long')).toBe(held);
    expect((await state.plan()).steps).toEqual([expect.objectContaining({ action: 'wait' })]);
    expect(await state.apply()).toEqual([]);
    expect(await director.echo('long')).toBe(held);
    expect(told.map(({ state, activeConnections }) => [state, activeConnections])).toEqual([['draining', 1]]);

    await director.reset('long');
    const closed = Date.now();
    await end;
    // IPVS remembers a connection that was reset for 10 s.
    expect(Date.now() - closed).toBeLessThan(25_000);
    expect(told.at(-1)).toMatchObject({ service: key(), server: serverKey(), state: 'gone' });
    expect(told.at(-1)?.remaining).toBeGreaterThan(20_000);
    expect(weights()).toEqual(others(held).map((number) => `${director.serverName(number)} 1`));
    expect((await state.plan()).steps).toEqual([]);
    expect(names(await director.meet(port, 6))).toEqual(othersNames(held));
  });

  test('does not keep a server for longer than it may', async () => {
    const begun = Date.now();
    await state.apply(document(others(held), 3));
    expect(await director.echo('long')).toBe(held);
    const { told, end } = drain();
    await end;
    expect(Date.now() - begun).toBeGreaterThanOrEqual(3000);
    expect(Date.now() - begun).toBeLessThan(30_000);
    expect(told.at(0)).toMatchObject({ state: 'draining', activeConnections: 1 });
    expect(told.at(-1)).toMatchObject({ state: 'gone', remaining: 0 });
    expect(weights()).toEqual(others(held).map((number) => `${director.serverName(number)} 1`));
    expect(await director.echo('long', 1)).toBe('TimeoutError');
    await director.reset('long');
  });

  test('does not notice that its server stays after all', async () => {
    await state.apply(document(others(held)));
    const { end } = drain();
    await state.cancelDrain({ service: key(), server: serverKey() });
    await end;
    expect(weights()).toContain(`${server} 1`);
    expect(await state.draining()).toEqual([]);
    expect(await director.echo('long')).toBe(held);
    expect(names(await director.meet(port, 9))).toEqual(['server1', 'server2', 'server3']);
    expect((await failure(state.cancelDrain({ service: key(), server: serverKey() }))).code).toBe(
      'ERR_IPVS_NO_SUCH_SERVER',
    );
    // It is not in the document still.
    expect((await state.plan()).changes).toEqual([expect.objectContaining({ action: 'drain' })]);

    await state.apply();
    expect(await state.draining()).toHaveLength(1);
    const steps = await state.apply(document([1, 2, 3]));
    expect(steps.map(({ action }) => action)).toEqual(['change']);
    expect(await state.draining()).toEqual([]);
    expect(weights()).toContain(`${server} 1`);
    expect(await director.echo('long')).toBe(held);
    expect(names(await director.meet(port, 9))).toEqual(['server1', 'server2', 'server3']);
    await director.reset('long');
  });

  test('outlives the program that drains; the next one goes on, with the first deadline', async () => {
    const program = fileURLToPath(new URL('programs/drain.mjs', import.meta.url));
    const documents = [document([1, 2, 3]), document(others(held), 12)].map((one) => JSON.stringify(one));
    const child = spawn(process.execPath, [program, ...documents], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    const { until: deadline, ...progress } = JSON.parse(line) as DrainProgress & { until: number };
    expect(progress).toMatchObject({ service: key(), server: serverKey(), state: 'draining', activeConnections: 1 });
    expect(weights()).toContain(`${server} 0`);
    expect(await director.echo('long')).toBe(held);

    await sleep(1000);
    const next = await director.open(document(others(held), 100));
    const [draining] = await next.draining();
    expect(draining).toMatchObject({ service: key(), server: serverKey(), state: 'draining', activeConnections: 1 });
    expect(Math.abs(Date.now() + (draining?.remaining ?? 0) - deadline)).toBeLessThan(1000);
    expect(await next.apply()).toEqual([]);
    expect(await director.echo('long')).toBe(held);
    const { told, end } = drain(next);
    await end;
    expect(told.map(({ state }) => state)).toEqual(['draining', 'gone']);
    expect(Math.abs(Date.now() - deadline)).toBeLessThan(20_000);
    expect(weights()).toEqual(others(held).map((number) => `${director.serverName(number)} 1`));
    await director.reset('long');
  });
});

test('nothing waits for its connections when all is to go, or the time is taken away', async () => {
  const held = await director.hold('cut', port);
  const others = [1, 2, 3].filter((number) => `server${number}` !== held);
  await state.apply(document(others));
  expect(await state.draining()).toHaveLength(1);
  const steps = await state.apply(document(others, 0));
  expect(steps.map(({ action }) => action)).toEqual(['take-back']);
  await director.reset('cut');

  await director.hold('cut', port);
  await state.apply(document([]));
  expect(await state.draining()).toHaveLength(1);
  await state.remove();
  expect(director.shell('ipvsadm -Sn')).toBe('');
  await director.reset('cut');
});

test('a server without connections goes at once, unless it gets one meanwhile', async () => {
  const what = `server ${director.serverName(3)} of ${service()}: nat, weight 1`;
  const words = (steps: readonly Step[]): string[] => steps.map((step) => `${step.action} ${step.what}`);
  expect(words(await state.apply(document([1, 2])))).toEqual([`drain ${what}`, `take-back ${what.replace(/1$/, '0')}`]);
  expect(await state.draining()).toEqual([]);
  await state.apply(document([1, 2, 3]));

  // After all was looked at, and before anything is changed, each server gets a connection.
  const late = ['late1', 'late2', 'late3'];
  const meddling = meddlingKernel(async (change, when) => {
    if (change > 1 || when === 'after') return;
    for (const name of late) await director.hold(name, port);
  });
  const next = await director.open(document([1, 2]), { kernel: meddling });
  expect(words(await next.apply())).toEqual([`drain ${what}`]);
  const echoes = await Promise.all(late.map((name) => director.echo(name)));
  expect(echoes.sort()).toEqual(['server1', 'server2', 'server3']);
  for (const name of late) await director.reset(name);
  const { end } = drain(next);
  await end;
  expect(weights()).toEqual([1, 2].map((number) => `${director.serverName(number)} 1`));
});

test('a service that goes lets its servers drain first', async () => {
  const held = await director.hold('last', port);
  const gone: DesiredDocument = { ...document([], 3), services: [] };
  const begun = Date.now();
  await state.apply(gone, { settle: true });
  expect(Date.now() - begun).toBeGreaterThanOrEqual(3000);
  // Nothing is left of it, without another apply.
  expect(director.shell('ipvsadm -Sn')).toBe('');
  expect(await director.echo('last', 1)).not.toBe(held);
  await director.reset('last');
});

test('a sorry server answers as long as nobody else does', async () => {
  const sorry = (servers: readonly number[]): DesiredDocument =>
    document(servers, 0, { sorryServer: director.server(3) } as Partial<DesiredService>);
  const meet = async (): Promise<string[]> => names(await director.meet(port, 6));
  await state.apply(sorry([1, 2]));
  expect(weights()).toEqual([`${director.serverName(1)} 1`, `${director.serverName(2)} 1`]);
  expect(await meet()).toEqual(['server1', 'server2']);

  await state.apply(sorry([]));
  expect(weights()).toEqual([`${director.serverName(3)} 1`]);
  expect(await meet()).toEqual(['server3']);

  await state.apply(sorry([2]));
  expect(weights()).toEqual([`${director.serverName(2)} 1`]);
  expect(await meet()).toEqual(['server2']);

  // There, but none of them takes anything.
  const none = sorry([1, 2]);
  const servers = [director.server(1, 0), director.server(2, 0)];
  await state.apply({ ...none, services: none.services?.map((one) => ({ ...one, servers })) ?? [] });
  expect(weights()).toEqual([1, 2, 3].map((number) => `${director.serverName(number)} ${Number(number === 3)}`));
  expect(await meet()).toEqual(['server3']);

  // With time to drain, it keeps what it has.
  await director.hold('sorry', port);
  await state.apply({ ...sorry([1, 2]), drain: { timeout: 60 } });
  expect(await meet()).toEqual(['server1', 'server2']);
  expect(await director.echo('sorry')).toBe('server3');
  const { end } = drain();
  await director.reset('sorry');
  await end;
  expect(weights()).toEqual([`${director.serverName(1)} 1`, `${director.serverName(2)} 1`]);
  await until(async () => (await state.plan()).steps.length === 0);
});
