import { address } from './addresses.js';
import type { Handler } from './handler.js';
import type { Item } from './items.js';
import { guePort, link, up } from './links.js';
import { netfilter } from './netfilter.js';
import { route, routingRule } from './routing.js';
import { sysctl } from './sysctl.js';
import { timeout } from './timeouts.js';

const handlers: { readonly [Kind in Item['kind']]: Handler<Kind> } = {
  sysctl,
  timeout,
  link,
  up,
  address,
  route,
  'routing-rule': routingRule,
  'gue-port': guePort,
  netfilter,
};

/** Returns the handler of an item, as one that takes any item. */
export function handlerOf(item: Item): Handler<Item['kind']> {
  return handlers[item.kind] as Handler<Item['kind']>;
}
