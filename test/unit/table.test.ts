import { expect, test } from 'vitest';
import { Ipvs } from '../../src/index.js';
import type { IpvsPort, IpvsTableEntry, ServerEntry, ServiceEntry } from '../../src/kernel/index.js';

const statistics = {
  connections: 0n,
  incomingPackets: 0n,
  outgoingPackets: 0n,
  incomingBytes: 0n,
  outgoingBytes: 0n,
  connectionRate: 0n,
  incomingPacketRate: 0n,
  outgoingPacketRate: 0n,
  incomingByteRate: 0n,
  outgoingByteRate: 0n,
};

function service(fwmark: number): ServiceEntry {
  const key = { family: 'ipv4', fwmark } as const;
  return { key, scheduler: 'rr', flags: 2, timeout: 0, netmask: 0xffffffff, engine: '', statistics };
}

function server(address: string, weight: number, connections = 0n): ServerEntry {
  return {
    key: { family: 'ipv4', address, port: 0 },
    forwarding: 'direct',
    weight,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 'ipip',
    tunnelPort: 0,
    tunnelChecksum: 'none',
    knowsTunnels: true,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
    statistics: { ...statistics, connections },
  };
}

/** A handle on a kernel whose table is another one with each reading. */
async function reading(...tables: IpvsTableEntry[][]): Promise<{ ipvs: Ipvs; readings: () => number }> {
  let count = 0;
  const port = { table: async () => tables[Math.min(count++, tables.length - 1)], close: async () => {} };
  const ipvs = await Ipvs.open({
    kernel: { openIpvs: async () => port as unknown as IpvsPort },
  });
  return { ipvs, readings: () => count };
}

const one = [{ service: service(1), servers: [server('10.0.0.1', 1), server('10.0.0.2', 1)] }];
const heavier = [{ service: service(1), servers: [server('10.0.0.1', 1), server('10.0.0.2', 5)] }];
const more = [...one, { service: service(2), servers: [] }];

test('a consistent read goes on until two readings agree', async () => {
  const { ipvs, readings } = await reading(one, heavier, more, more);
  expect((await ipvs.table({ consistent: true })).length).toBe(2);
  expect(readings()).toBe(4);
});

test('counters and order are no difference', async () => {
  const counted = [{ service: service(1), servers: [server('10.0.0.2', 1, 9n), server('10.0.0.1', 1)] }];
  const { ipvs, readings } = await reading(one, counted);
  const [row] = await ipvs.table({ consistent: true });
  expect(row?.servers[0]?.statistics.connections).toBe(9n);
  expect(readings()).toBe(2);
});

test('it gives up in the end, and says so', async () => {
  const { ipvs, readings } = await reading(one, heavier, one, heavier, one, heavier);
  await expect(ipvs.table({ consistent: true, attempts: 4 })).rejects.toMatchObject({ code: 'ERR_IPVS_UNSTABLE' });
  expect(readings()).toBe(4);
});

test('a plain read is one reading', async () => {
  const { ipvs, readings } = await reading(one, heavier);
  expect((await ipvs.table()).length).toBe(1);
  expect(readings()).toBe(1);
});
