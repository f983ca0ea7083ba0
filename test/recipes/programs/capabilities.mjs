// Makes each call of docs/security.md, and prints as JSON whether the process was permitted: `capabilities.mjs NAMESPACE`.
// The process runs in a namespace of its own, with an interface eth0; NAMESPACE is another one.
import { addNamespace, Conntrack, deleteNamespace, Ipvs, Netfilter, Network, namespaces } from '../../../dist/index.js';

const [namespace = ''] = process.argv.slice(2);
const conntrack = await Conntrack.open();
const netfilter = await Netfilter.open({ owner: 'capabilities' });
const network = await Network.open();
const ipvs = await Ipvs.open().catch(() => undefined);

/** @param {{ close(): Promise<void> }} opened */
const closed = (opened) => opened.close();
const address = { interface: 'eth0', address: '192.0.2.77/32' };
const route = { destination: '192.0.2.78/32', interface: 'eth0' };
const tuple = { protocol: 'tcp', source: '10.9.9.1', destination: '10.9.9.2', sourcePort: 1, destinationPort: 2 };
const service = { protocol: 'tcp', address: '192.0.2.1', port: 80 };

/** @type {Record<string, () => Promise<unknown>>} */
const calls = {
  'conntrack.usage()': () => conntrack.usage(),
  'conntrack.flows()': () => conntrack.flows().toArray(),
  'conntrack.statistics()': () => conntrack.statistics(),
  'conntrack.create()': async () => {
    const original = /** @type {import('../../../src/index.js').TupleOptions} */ (tuple);
    await conntrack.create({ original, timeout: 5 });
    await conntrack.delete({ original });
  },
  'conntrack.watch()': async () => closed(await conntrack.watch()),
  'conntrack.settings()': () => conntrack.settings(),
  'netfilter.marks()': () => netfilter.marks(),
  'netfilter.set()': async () => {
    await netfilter.set({ marks: [{ protocol: 'tcp', port: 9, mark: 5 }] });
    await netfilter.deleteTable();
  },
  'netfilter.watch()': async () => closed(await netfilter.watch()),
  'network.links()': () => network.links(),
  'network.addresses()': () => network.addresses(),
  'network.routes()': () => network.routes(),
  'network.watch()': async () => closed(await network.watch()),
  'network.sysctl()': () => network.sysctl('net.ipv4.ip_forward'),
  'network.setSysctl()': () => network.setSysctl('net.ipv4.conf.lo.arp_notify', 0),
  'network.addAddress()': async () => {
    await network.addAddress(address);
    await network.deleteAddress(address);
  },
  'network.addRoute()': async () => {
    await network.addRoute(route);
    await network.deleteRoute(route);
  },
  'network.announce()': () => network.announce({ interface: 'eth0', address: '192.0.2.2' }),
  'Network.open({ namespace })': async () => closed(await Network.open({ namespace })),
  'Netfilter.open({ namespace })': async () => closed(await Netfilter.open({ namespace })),
  'addNamespace()': async () => {
    await addNamespace(`${namespace}-new`);
    await deleteNamespace(`${namespace}-new`);
  },
  'namespaces()': () => namespaces(),
  ...(ipvs && {
    'ipvs.info()': () => ipvs.info(),
    'ipvs.table()': () => ipvs.table(),
    'ipvs.addService()': async () => {
      const added = await ipvs.addService(/** @type {import('../../../src/index.js').ServiceOptions} */ (service));
      await added.delete();
    },
    'ipvs.timeouts()': () => ipvs.timeouts(),
  }),
};

/** @type {Record<string, boolean>} */
const permitted = {};
for (const [name, call] of Object.entries(calls)) {
  permitted[name] = await call().then(
    () => true,
    (error) => {
      if (error.code === 'ERR_IPVS_PERMISSION') return false;
      throw error;
    },
  );
}
console.log(JSON.stringify(permitted));
for (const handle of [conntrack, netfilter, network, ipvs]) await handle?.close();
