// Namespaces of a kernel to try things in, and what is in them as text.
import { onTestFinished } from 'vitest';
import { Network, type NetworkEvent, type Watch } from '../../../src/index.js';
import type { OpenPlace } from '../places.js';

export interface Here {
  readonly network: Network;
  readonly namespace: string;
  /** A second namespace of the same kernel. */
  other(): Promise<Here>;
}

/** What the kernel makes by itself of link-layer addresses comes and goes with time. */
function isOwn(text: string): boolean {
  return /^(fe80|ff00)::/.test(text);
}

/** Addresses with the name of their interface. */
export async function addressesOf(network: Network): Promise<string[]> {
  const all = await network.addresses();
  return all.filter(({ address }) => !isOwn(address)).map((each) => `${each.interface} ${each.address}`);
}

/** Routes of all tables, or of one, as `table type destination ...`. */
export async function routesOf(network: Network, table: number | 'main' | 'all' = 'all', family?: 'ipv4' | 'ipv6') {
  const all = await network.routes({ table, family });
  return all
    .filter(({ destination, type }) => !isOwn(destination) && type !== 'anycast')
    .map((route) =>
      [
        route.table,
        route.type,
        route.destination,
        route.via && `via ${route.via}`,
        route.interface && `dev ${route.interface}`,
        route.source && `src ${route.source}`,
        route.metric !== 0 && `metric ${route.metric}`,
        route.dead && 'dead',
      ]
        .filter(Boolean)
        .join(' '),
    );
}

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
      return `${event.type} ${event.neighbour.address}`;
    default:
      return `${event.type} ${event.entry.linkAddress}`;
  }
}

/** Events up to the last that is told of; but those of IPv6 that come with time. */
export async function heard(watch: Watch<NetworkEvent>, last: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of watch) {
    const text = tell(event);
    if (!/ (fe80|ff00|ff02)::/.test(text)) seen.push(text);
    if (text === last) break;
  }
  return seen;
}

export interface Worlds {
  /** A new namespace. */
  readonly start: () => Promise<Here>;
  /** With a veth `eth0` that is up, its other end `eth1`, and 10.1.0.1/24 on it. */
  readonly wired: () => Promise<Here>;
  /** Whether the kernel has interfaces of a kind. */
  readonly has: (kind: Kind) => boolean;
}

/** What not every kernel has. */
export type Kind = 'dummy' | 'ipip' | 'gre' | 'macvlan' | 'fou';

export function worldsOf(open: OpenPlace, has: Worlds['has']): Worlds {
  const start = async (): Promise<Here> => {
    const { kernel, namespace, dispose } = await open();
    const network = await Network.open({ kernel, namespace });
    onTestFinished(async () => {
      await network.close();
      await dispose();
    });
    return { network, namespace, other: start };
  };

  const wired = async (): Promise<Here> => {
    const here = await start();
    await here.network.addLink({ kind: 'veth', name: 'eth0', up: true, peer: { name: 'eth1', up: true } });
    await here.network.addAddress({ interface: 'eth0', address: '10.1.0.1/24' });
    return here;
  };
  return { start, wired, has };
}
