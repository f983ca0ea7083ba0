// Real requests with a prebuilt binary, in a network namespace of its own: smoke.mjs [--glibc VERSION] [--ipvs]
// scripts/test-prebuilds runs it on old systems and in emulated machines.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { Ipvs, Netfilter, Network } from '../../dist/index.js';

const { values } = parseArgs({ options: { glibc: { type: 'string' }, ipvs: { type: 'boolean' } } });

/** @param {string} code */
const withCode = (code) => (/** @type {unknown} */ error) => {
  assert.equal(/** @type {{ code?: string }} */ (error).code, code);
  return true;
};

const network = await Network.open();
const names = (await network.links()).map(({ name }) => name);
assert.ok(names.includes('lo'), `links: ${names}`);
await network.updateLink('lo', { up: true });
await assert.rejects(network.link('nope'), withCode('ERR_IPVS_NO_SUCH_INTERFACE'));
await network.close();

const netfilter = await Netfilter.open({ owner: 'smoke' });
const mark = await netfilter.addMark({ destination: '198.51.100.1', protocol: 'tcp', port: 80, mark: 80 });
assert.deepEqual((await netfilter.marks()).map(String), [String(mark)]);
await assert.rejects(
  netfilter.addMark({ destination: '198.51.100.1', protocol: 'tcp', port: 80, mark: 81 }),
  withCode('ERR_IPVS_MARK_EXISTS'),
);
await netfilter.deleteTable();
await netfilter.close();

if (values.ipvs) {
  const ipvs = await Ipvs.open();
  const web = await ipvs.addService({ protocol: 'tcp', address: '127.0.0.1', port: 80, scheduler: 'rr' });
  await web.addServer({ address: '127.0.0.2', port: 8080, weight: 3 });
  const [row] = await ipvs.table();
  assert.deepEqual([row?.servers[0]?.address, row?.servers[0]?.weight], ['127.0.0.2', 3]);
  await assert.rejects(web.addServer({ address: '127.0.0.2', port: 8080 }), withCode('ERR_IPVS_SERVER_EXISTS'));
  await web.delete();
  await ipvs.close();
}

/** @type {{ header: { glibcVersionRuntime?: string }, sharedObjects: string[] }} */
const report = /** @type {any} */ (process.report.getReport());
const loaded = report.sharedObjects.find((path) => path.endsWith('.node'));
assert.match(loaded ?? '', new RegExp(`/prebuilds/linux-${process.arch}/ipvs\\.glibc\\.node$`));
if (values.glibc !== undefined) assert.equal(report.header.glibcVersionRuntime, values.glibc);
console.log(`ok: Node ${process.version}, ${process.arch}, glibc ${report.header.glibcVersionRuntime}, ${loaded}`);
