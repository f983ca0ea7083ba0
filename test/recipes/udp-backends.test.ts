// examples/recipes/udp-backends.mjs with real datagrams. Needs no IPVS.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Helper, Lab } from '../../scripts/lab.mjs';
import { Netfilter } from '../../src/index.js';
import { until } from '../until.js';

interface Recipe {
  replaceServer(
    virtual: { address: string; port: number },
    server: string | undefined,
    options: { namespace: string },
  ): Promise<number>;
}

const recipe = new URL('../../examples/recipes/udp-backends.mjs', import.meta.url).href;
const virtual = { address: '198.51.100.1', port: 5353 };
const [first, second] = ['10.0.0.11', '10.0.0.12'] as const;
const lab = new Lab();
let sender: Helper;
let replaceServer: Recipe['replaceServer'];
let namespace = '';

beforeAll(async () => {
  ({ replaceServer } = (await import(recipe)) as Recipe);
  const server = (address: string) => ({ networks: { servers: [`${address}/24`] }, routes: ['default via 10.0.0.1'] });
  lab.add({
    client: { networks: { clients: ['192.0.2.2/24'] }, routes: ['default via 192.0.2.1'] },
    director: {
      networks: { clients: ['192.0.2.1/24', `${virtual.address}/32`], servers: ['10.0.0.1/24'] },
      sysctls: { 'net.ipv4.ip_forward': 1 },
    },
    first: server(first),
    second: server(second),
  });
  namespace = lab.host('director').namespace;
  const program = new URL('../../examples/programs/server.mjs', import.meta.url);
  for (const name of ['first', 'second']) await lab.host(name).start(program, name, virtual.port);
});

afterAll(() => lab.close());

/** Waits until only these servers reply: one question discards what was under way, the next one counts. */
async function untilHeard(...names: string[]): Promise<void> {
  await until(
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return sender.ask('heard');
    },
    (heard: string[]) => heard.join() === names.join(),
    5000,
  );
}

test('a sender that never pauses moves to the new server, and survives a time without one', async () => {
  expect(await replaceServer(virtual, first, { namespace })).toBe(0);
  const program = new URL('programs/sender.mjs', import.meta.url);
  sender = await lab.host('client').start(program, virtual.address, virtual.port);
  await untilHeard('first');

  // A rule alone changes nothing for this sender: its flow has decided.
  await using netfilter = await Netfilter.open({ namespace, owner: 'udp-backends' });
  await netfilter.set({
    rules: [{ type: 'dnat', destination: virtual.address, protocol: 'udp', port: virtual.port, to: second }],
  });
  await sender.ask('heard');
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await sender.ask('heard')).toEqual(['first']);

  expect(await replaceServer(virtual, second, { namespace })).toBe(1);
  await untilHeard('second');

  // From one server to none, and to one again.
  expect(await replaceServer(virtual, undefined, { namespace })).toBe(1);
  await untilHeard();
  await replaceServer(virtual, first, { namespace });
  await untilHeard('first');
});
