// What every kernel that tracks connections does: the real one, and the one in memory.
import { changeConformance } from './conntrack/changes.js';
import { eventConformance } from './conntrack/events.js';
import { expectationConformance } from './conntrack/expectations.js';
import { flowConformance } from './conntrack/flows.js';
import { groupConformance } from './conntrack/groups.js';
import { listConformance } from './conntrack/lists.js';
import { refusalConformance } from './conntrack/refusals.js';
import { settingConformance } from './conntrack/settings.js';
import { worldOn } from './conntrack/world.js';
import type { Place } from './place.js';

/** @param open a namespace where no packet goes */
export function conntrackConformance(open: () => Promise<Place>): void {
  const world = worldOn(open);
  flowConformance(world);
  refusalConformance(world);
  changeConformance(world);
  groupConformance(world);
  listConformance(world);
  settingConformance(world);
  expectationConformance(world);
  eventConformance(world);
}
