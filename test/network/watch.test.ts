import { expect, test } from 'vitest';
import { Network, type NetworkEvent, type Watch } from '../../src/index.js';
import { collect } from '../collect.js';
import { until } from '../until.js';
import { holdings, usePlaces } from './world.js';

const [place] = usePlaces(1);
if (!place) throw new Error('no place');

function tell(event: NetworkEvent): string {
  switch (event.type) {
    case 'overrun':
      return event.type;
    case 'link-added':
    case 'link-changed':
    case 'link-removed':
      return `${event.type} ${event.link.name}`;
    case 'address-added':
    case 'address-changed':
    case 'address-removed':
      return `${event.type} ${event.address.interface} ${event.address.address}`;
    case 'route-added':
    case 'route-changed':
    case 'route-removed':
      return `${event.type} ${event.route.table} ${event.route.destination}`;
    case 'rule-added':
    case 'rule-removed':
      return `${event.type} ${event.rule.priority}`;
    case 'neighbour-changed':
    case 'neighbour-removed':
      return `${event.type} ${event.neighbour.interface} ${event.neighbour.address}`;
    default:
      return `${event.type} ${event.entry.interface} ${event.entry.linkAddress}`;
  }
}

/** The events up to `last`, or up to the end of the watch. */
async function eventsUpTo(watch: Watch<NetworkEvent>, last: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of watch) {
    seen.push(tell(event));
    if (seen.at(-1) === last) break;
  }
  return seen;
}

test('what happens is told, in order, whoever does it', async () => {
  const watch = await place.network.watch();
  place.ip('link add v0 type veth peer name v1', 'link set v0 up', 'link set v1 up', 'addr add 10.1.1.1/24 dev v0');
  await place.network.addRoute({ destination: '10.2.0.0/16', via: '10.1.1.2', table: 100 });
  await place.network.setRoute({ destination: '10.2.0.0/16', via: '10.1.1.3', table: 100 });
  await place.network.addRule({ family: 'ipv4', mark: 1, table: 100, priority: 99 });
  await place.network.setNeighbour({ interface: 'v0', address: '10.1.1.2', linkAddress: '02:00:00:00:00:01' });
  await place.network.deleteNeighbour({ interface: 'v0', address: '10.1.1.2' });
  await place.network.deleteRule({ family: 'ipv4', mark: 1, table: 100, priority: 99 });
  await place.network.deleteRoute({ destination: '10.2.0.0/16', via: '10.1.1.3', table: 100 });
  await place.network.deleteLink('v0');
  const seen = await eventsUpTo(watch, 'link-removed v1');
  const wanted = [
    'link-added v0',
    'link-changed v0',
    'address-added v0 10.1.1.1/24',
    'route-added 100 10.2.0.0/16',
    'route-changed 100 10.2.0.0/16',
    'rule-added 99',
    'neighbour-changed v0 10.1.1.2',
    'neighbour-removed v0 10.1.1.2',
    'rule-removed 99',
    'route-removed 100 10.2.0.0/16',
    'address-removed v0 10.1.1.1/24',
    'link-removed v0',
  ];
  let at = -1;
  for (const event of wanted) {
    const next = seen.indexOf(event, at + 1);
    expect(next, `${event} in ${seen.join(', ')}`).toBeGreaterThan(at);
    at = next;
  }
});

test('only of these types; a port of a bridge that leaves is no link that is removed', async () => {
  await using watch = await place.network.watch({ types: ['link-added', 'link-removed', 'forwarding-entry-changed'] });
  await place.network.addLink({ kind: 'bridge', name: 'b0', up: true });
  await place.network.addLink({ kind: 'veth', name: 'p0', master: 'b0', peer: { name: 'p1' } });
  await place.network.updateLink('p0', { master: null });
  await place.network.updateLink('p0', { master: 'b0' });
  await place.network.addForwardingEntry({ interface: 'p0', linkAddress: '02:00:00:00:00:77', master: true });
  await place.network.deleteLink('p0');
  await place.network.deleteLink('b0');
  const seen = (await eventsUpTo(watch, 'link-removed b0')).filter((event) => !event.startsWith('forwarding'));
  expect(seen.toSorted()).toEqual(
    [
      'link-added b0',
      'link-added p0',
      'link-added p1',
      'link-removed p0',
      'link-removed p1',
      'link-removed b0',
    ].toSorted(),
  );
});

test('a signal, a return and a close end the waiting', async () => {
  const controller = new AbortController();
  const aborted = await place.network.watch({ signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 20);
  await expect(eventsUpTo(aborted, 'never')).rejects.toThrow('enough');
  const closed = await place.network.watch();
  setTimeout(() => closed.close(), 20);
  expect(await eventsUpTo(closed, 'never')).toEqual([]);
  const returned = (await place.network.watch())[Symbol.asyncIterator]();
  const waiting = returned.next();
  await returned.return?.();
  expect((await waiting).done).toBe(true);
  const network = await Network.open({ namespace: place.name });
  const orphan = await network.watch();
  setTimeout(() => void network.close(), 20);
  await expect(eventsUpTo(orphan, 'never')).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
});

test('watches that nobody loops over or closes are closed when they are collected', async () => {
  const before = holdings().files;
  for (let i = 0; i < 50; i++) await place.network.watch();
  expect(holdings().files).toBeGreaterThan(before + 30);
  const open = async (): Promise<number> => {
    await collect();
    return holdings().files;
  };
  await until(open, (files) => files <= before + 5);
});

test('an overrun is told, and names are right after it', async () => {
  await using watch = await place.network.watch({ types: ['link-added', 'neighbour-changed'] });
  await place.network.addLink({ kind: 'veth', name: 'w0', up: true, peer: { name: 'w1', up: true } });
  await place.network.setSysctl('net.ipv4.neigh.default.gc_thresh3', 1_000_000).catch(() => {}); // not in every namespace
  const changes = Array.from({ length: 60_000 }, (_, index) => ({
    change: 'set-neighbour' as const,
    neighbour: {
      interface: 'w0',
      address: `10.${100 + ((index >> 9) % 100)}.0.${index % 200}`,
      linkAddress: `02:00:00:00:${(index & 255).toString(16).padStart(2, '0')}:${(index >> 8).toString(16).padStart(2, '0')}`,
      state: 'permanent' as const,
    },
  }));
  // Nobody asks meanwhile.
  await place.network.apply(changes);
  await place.network.addLink({ kind: 'bridge', name: 'after' });
  const seen = await eventsUpTo(watch, 'overrun');
  expect(seen.at(-1)).toBe('overrun');
  await place.network.deleteLink('w0');
  await place.network.deleteLink('after');
}, 120_000);
