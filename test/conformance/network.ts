// What the kernel does with interfaces, addresses, routes and rules: the one in memory, and the real one.
import { addressConformance } from './network/addresses.js';
import { eventConformance } from './network/events.js';
import { linkConformance } from './network/links.js';
import { neighbourConformance } from './network/neighbours.js';
import { routeConformance } from './network/routes.js';
import { ruleConformance } from './network/rules.js';
import { settingConformance } from './network/settings.js';
import { type Worlds, worldsOf } from './network/worlds.js';
import type { OpenPlace } from './places.js';

export interface NetworkConformanceOptions {
  /** Default: all. */
  readonly has?: Worlds['has'] | undefined;
}

export function networkConformance(open: OpenPlace, { has = () => true }: NetworkConformanceOptions = {}): void {
  const worlds = worldsOf(open, has);
  linkConformance(worlds);
  addressConformance(worlds);
  routeConformance(worlds);
  ruleConformance(worlds);
  neighbourConformance(worlds);
  settingConformance(worlds);
  eventConformance(worlds);
}
