// One namespace of a kernel for all tests of IPVS, and what they put into it.
import { afterAll, afterEach, beforeAll } from 'vitest';
import { Ipvs, type RealServer } from '../../../src/index.js';
import type { IpvsPort } from '../../../src/kernel/ipvs/port.js';
import type { IpvsChange, ServerSettings, ServiceSettings } from '../../../src/kernel/ipvs/types.js';
import type { IpvsPlace } from '../place.js';

export interface World {
  readonly place: IpvsPlace;
  readonly ipvs: Ipvs;
  readonly port: IpvsPort;
  /** Without the checks of the library. */
  send(change: IpvsChange): Promise<number | undefined>;
  newServer(part: Partial<ServerSettings>): Promise<number | undefined>;
}

export const tcp = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
export const tcp6 = { protocol: 'tcp', address: 'fd00::1', port: 80 } as const;
export const key = { family: 'ipv4', ...tcp } as const;

export const service: ServiceSettings = { key, scheduler: 'rr', flags: 0, timeout: 0, netmask: 0xffffffff, engine: '' };
export const server: ServerSettings = {
  key: { family: 'ipv4', address: '10.1.0.1', port: 80 },
  forwarding: 'nat',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 'ipip',
  tunnelPort: 0,
  tunnelChecksum: 'none',
};
export const names = (servers: readonly RealServer[]): string[] =>
  servers.map(({ address, port: at }) => `${address} ${at}`);

/** Tests ask for it: it is opened before the first one, and is emptied after each. */
export function worldOn(open: () => Promise<IpvsPlace>): () => World {
  let place: IpvsPlace;
  let ipvs: Ipvs;
  let port: IpvsPort;

  beforeAll(async () => {
    place = await open();
    ipvs = await Ipvs.open({ kernel: place.kernel, namespace: place.namespace });
    port = await place.kernel.openIpvs({ namespace: place.namespace });
  });
  afterEach(() => ipvs.flush());
  afterAll(async () => {
    await port?.close();
    await ipvs?.close();
    await place?.dispose();
  });

  const send = async (change: IpvsChange): Promise<number | undefined> => (await port.apply([change]))[0];
  const newServer = (part: Partial<ServerSettings>): Promise<number | undefined> =>
    send({ command: 'NEW_DEST', service: key, server: { ...server, ...part } });
  return () => ({ place, ipvs, port, send, newServer });
}
