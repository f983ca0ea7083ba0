import { afterAll, expect, test } from 'vitest';
import { Lab } from '../../scripts/lab.mjs';
import { Conntrack } from '../../src/index.js';
import { hasModule, runIn } from '../ipvs/world.js';
import { until } from '../until.js';

const lab = new Lab();
afterAll(() => lab.close());

const rules = `table inet f {
  flowtable fast { hook ingress priority 0; devices = { left, right }; }
  chain forward { type filter hook forward priority 0; ip protocol { tcp, udp } flow add @fast; }
}`;

test.runIf(hasModule('nf_flow_table'))('13: an offloaded flow has neither timeout nor state', async () => {
  lab.add({
    client: { networks: { left: ['10.1.0.2/24'] }, routes: ['default via 10.1.0.1'] },
    router: {
      networks: { left: ['10.1.0.1/24'], right: ['10.2.0.1/24'] },
      sysctls: { 'net.ipv4.ip_forward': 1 },
    },
    server: { networks: { right: ['10.2.0.2/24'] }, routes: ['default via 10.2.0.1'] },
  });
  const { namespace } = lab.host('router');
  runIn(namespace, 'nft', rules);
  await lab.host('server').start(new URL('../../examples/programs/server.mjs', import.meta.url), 'server', 8080);
  const client = await lab.host('client').start(new URL('../../examples/programs/client.mjs', import.meta.url));
  await using conntrack = await Conntrack.open({ namespace });
  await client.ask({ kind: 'hold', address: '10.2.0.2', port: 8080 });
  const flow = await until(
    async () => {
      await client.ask({ kind: 'held' });
      return (await conntrack.flows({ protocol: 'tcp', destinationPort: 8080 }).toArray())[0];
    },
    (found) => found?.status.includes('offload') === true,
  );
  expect(flow?.timeout).toBeUndefined();
  expect(flow?.state).toBeUndefined();
  expect(flow?.tcp).toBeUndefined();
  expect(String(flow)).toContain('[OFFLOAD]');
  expect(await conntrack.flows({ status: ['offload'] }).toArray()).toHaveLength(1);
});
