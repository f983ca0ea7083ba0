// Scenario 10: a sender of UDP that never pauses, while its servers are replaced.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DesiredDocument, DesiredService, DesiredState } from '../../src/index.js';
import { load } from '../roles/lan.js';
import { type Datagram, Director, OWNER, SERVER_PORT, until } from './director.js';

const SECOND = 1000;
let director: Director;

beforeAll(async () => {
  // Its settings of IPVS are given back as they were before: IPVS has to have some.
  load('ip_vs');
  director = await Director.make();
});

afterAll(async () => {
  await director?.close();
});

type Of = (servers: readonly number[]) => DesiredService;

const byAddress: Of = (servers) => ({
  protocol: 'udp',
  address: director.virtual,
  port: 5000,
  servers: servers.map((number) => director.server(number)),
});

const byMark: Of = (servers) => ({
  fwmark: 7,
  marks: [{ destination: `${director.virtual}/32`, protocol: 'udp', port: { from: SERVER_PORT, to: SERVER_PORT } }],
  servers: servers.map((number) => director.server(number).address),
});

describe.each([
  ['by address', byAddress, 5000],
  ['by mark', byMark, SERVER_PORT],
] as const)('a service %s', (_, service, port) => {
  let state: DesiredState;

  const document = (...services: readonly DesiredService[]): DesiredDocument => ({
    owner: OWNER,
    namespace: director.namespace,
    services,
    // The services of UDP take care of expire_nodest_conn.
    sysctls: { 'net.ipv4.vs.conntrack': 1 },
    // IPVS alone does not make the kernel track anything.
    nat: [{ type: 'masquerade', source: '192.0.2.0/24' }],
    drain: { timeout: 600 },
  });

  afterEach(async () => {
    await director.stop('sender');
    await state.remove();
    expect(director.shell('ipvsadm -Sn')).toBe('');
  });

  /** Applies it, and gives what was sent since it was done, for two seconds more. */
  async function applied(...services: readonly DesiredService[]): Promise<{ done: number; datagrams: Datagram[] }> {
    await state.apply(document(...services));
    const done = Date.now();
    await sleep(2 * SECOND);
    const datagrams = (await director.sent('sender')).filter(({ sent }) => sent > done && sent < Date.now() - 500);
    expect(datagrams.length).toBeGreaterThan(10);
    return { done, datagrams };
  }

  /** That no datagram waits for more than a second for this server. */
  function expectServed({ done, datagrams }: { done: number; datagrams: readonly Datagram[] }, name: string): void {
    const answered = datagrams.filter((one) => one.name === name);
    expect((answered[0]?.answered ?? Number.POSITIVE_INFINITY) - done).toBeLessThan(SECOND);
    const late = datagrams.filter(({ sent }) => sent > done + SECOND);
    expect(late.length).toBeGreaterThan(5);
    expect(late.filter((one) => one.name !== name)).toEqual([]);
  }

  /** Who answers, by connection tracking, the flows to this service; and who began flows that it answers. */
  function tracked(): { readonly answering: string[]; readonly asking: string[] } {
    const flows = director.shell('conntrack -L -p udp 2>/dev/null').split('\n');
    const words = flows.map((line) => [...line.matchAll(/(?:src|dst|sport|dport)=(\S+)/g)].map(([, word]) => word));
    const isService = (address?: string, itsPort?: string): boolean =>
      address === director.virtual && itsPort === String(port);
    return {
      answering: words.flatMap(([, to, , toPort, from = '']) => (isService(to, toPort) ? [from] : [])),
      asking: words.flatMap(([from = '', , , , , to, , toPort]) => (isService(to, toPort) ? [from] : [])),
    };
  }

  /**
   * An IPVS connection that ends takes the flow from its client to the service along, also if that is another
   * connection's by then (ip_vs_conn_drop_conntrack goes by the tuple). The next datagram makes it again; if that
   * is an answer which is on its way, it looks as if the server had begun.
   */
  async function expectTracked(number: number): Promise<void> {
    let flows: string[] = [];
    await until(() => {
      const { answering, asking } = tracked();
      flows = [...answering, ...asking];
      return flows.length > 0;
    });
    expect(flows).toEqual([director.server(number).address]);
  }

  test('no datagram is stuck when its server is replaced, or comes back', async () => {
    state = await director.open(document(service([1])));
    await state.apply();
    await director.send('sender', port);
    await until(async () => (await director.sent('sender')).filter(({ name }) => name === 'server1').length > 5);
    await expectTracked(1);

    const replaced = await applied(service([2]));
    expectServed(replaced, 'server2');
    expect(replaced.datagrams.filter(({ name }) => name === 'server1')).toEqual([]);
    await expectTracked(2);

    const none = await applied(service([]));
    expect(none.datagrams.filter(({ name }) => name !== undefined)).toEqual([]);
    expect(tracked().answering).not.toContain(director.server(2).address);

    expectServed(await applied(service([3])), 'server3');
    await expectTracked(3);

    // The director itself has the address, and answers for it: that nobody is there.
    const gone = await applied();
    expect(gone.datagrams.filter(({ name }) => name !== undefined)).toEqual([]);
    expectServed(await applied(service([1])), 'server1');
    await expectTracked(1);

    // One of two goes: the flow has to find the other, or is with it already.
    await applied(service([1, 2]));
    expectServed(await applied(service([2])), 'server2');
    await expectTracked(2);
  });
});
