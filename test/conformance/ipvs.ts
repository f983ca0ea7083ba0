// What every kernel with IPVS does: the real one, and the one in memory.
import { connectionConformance } from './ipvs/connections.js';
import { daemonConformance } from './ipvs/daemons.js';
import { serverConformance } from './ipvs/servers.js';
import { serviceConformance } from './ipvs/services.js';
import { settingConformance } from './ipvs/settings.js';
import { statusConformance } from './ipvs/status.js';
import { tableConformance } from './ipvs/table.js';
import { worldOn } from './ipvs/world.js';
import type { IpvsPlace } from './place.js';

export function ipvsConformance(open: () => Promise<IpvsPlace>): void {
  const world = worldOn(open);
  serviceConformance(world);
  serverConformance(world);
  tableConformance(world);
  settingConformance(world);
  daemonConformance(world);
  connectionConformance(world);
  statusConformance(world);
}
