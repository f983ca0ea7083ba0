// Applies that fail half-way: what is told, what is undone, and what the next one does.
import { expect, test } from 'vitest';
import {
  ApplyError,
  Conntrack,
  type DesiredDocument,
  type DesiredService,
  DesiredState,
  Ipvs,
  planDocument,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const VIP = '192.0.2.1';
const setting: Partial<DesiredDocument> = { sysctls: { 'net.ipv4.vs.am_droprate': 5 } };
const tcp = (servers: DesiredService['servers'], more: Partial<DesiredService> = {}): DesiredService =>
  ({ protocol: 'tcp', address: VIP, port: 80, scheduler: 'rr', servers, ...more }) as DesiredService;
const udp = (servers: DesiredService['servers']): DesiredService => ({
  protocol: 'udp',
  address: VIP,
  port: 53,
  servers,
});
const doc = (services: DesiredService[], more: Partial<DesiredDocument> = {}): DesiredDocument => ({
  owner: 'a',
  services,
  ...more,
});

async function begin(document: DesiredDocument) {
  const kernel = new MemoryKernel();
  const state = await DesiredState.open(document, { kernel, record: '/a.json' });
  await state.apply();
  const ipvs = await Ipvs.open({ kernel });
  const connect = (protocol: 'tcp' | 'udp' = 'tcp') =>
    kernel.namespace().connect({ protocol, address: VIP, port: protocol === 'tcp' ? 80 : 53 });
  const ports = async () => (await ipvs.table()).map(({ service }) => service.port);
  return { kernel, state, ipvs, connect, ports };
}

async function failureOf(work: Promise<unknown>): Promise<ApplyError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApplyError)) throw new Error(`not an ApplyError: ${error}`);
  return error;
}

const actions = (steps: readonly { readonly action: string; readonly what: string }[]): string[] =>
  steps.map(({ action, what }) => `${action} ${what.split(':')[0]}`);

async function count(conntrack: Conntrack): Promise<number> {
  let flows = 0;
  for await (const _ of conntrack.flows()) flows++;
  return flows;
}

test('after a failure nothing is tried again in the same call', async () => {
  const { kernel, state, connect } = await begin(doc([tcp(['10.0.0.1', '10.0.0.2'])], { drain: { timeout: 60 } }));
  for (let i = 0; i < 4; i++) connect();
  kernel.fail({ command: 'NEW_DEST', object: '10.0.0.3', errno: 12 });
  const error = await failureOf(
    state.apply(doc([tcp(['10.0.0.1', '10.0.0.3'])], { drain: { timeout: 60 } }), { onFailure: 'leave' }),
  );
  expect(actions(error.outcomes.map(({ step }) => step))).toEqual(['make server 10.0.0.3']);
  expect(actions(error.notTried)).toEqual(['drain server 10.0.0.2']);
  expect(error.message).toContain('0 steps were done and stay, 1 failed, 1 were not tried');
});

test("what is undone has its service's own drain policy again", async () => {
  const service = tcp(['10.0.0.1'], { drain: { timeout: 600 } });
  const { kernel, state, connect } = await begin(doc([service], setting));
  kernel.fail({ command: 'writeFile' });
  const error = await failureOf(state.apply(doc([])));
  expect(error.left).toEqual([]);
  connect();
  expect(actions((await state.plan(doc([]))).steps)).toContain('drain server 10.0.0.1');
});

test('a policy of a document that failed is none', async () => {
  const { kernel, state, connect } = await begin(doc([tcp(['10.0.0.1'], { drain: { timeout: 600 } })]));
  kernel.fail({ command: 'NEW_DEST' });
  await failureOf(state.apply(doc([tcp(['10.0.0.1', '10.0.0.2'], { drain: { timeout: 5 } })])));
  connect();
  await state.apply(doc([]));
  expect(await state.draining()).toMatchObject([{ remaining: 600_000 }]);
});

test('a policy that is all that changes is remembered', async () => {
  const { state, connect } = await begin(doc([tcp(['10.0.0.1'])]));
  expect(await state.apply(doc([tcp(['10.0.0.1'], { drain: { timeout: 600 } })]))).toEqual([]);
  connect();
  expect(actions((await state.plan(doc([]))).changes)).toEqual(['drain server 10.0.0.1']);
});

test('everything can be adopted by who wants nothing', async () => {
  const { state, ports, ipvs } = await begin(doc([]));
  await ipvs.addService({ protocol: 'tcp', address: VIP, port: 81 });
  const here = await state.plan(undefined, { adopt: 'all' });
  expect(actions(here.steps)).toEqual(['take-back service TCP 192.0.2.1']);
  expect(String(await planDocument(doc([]), await state.snapshot(), { adopt: 'all' }))).toBe(String(here));
  await state.apply(undefined, { adopt: 'all' });
  expect(await ports()).toEqual([]);
});

test('what could not be noted is not made, and not believed afterwards', async () => {
  const { kernel, state, ports, ipvs } = await begin(doc([tcp(['10.0.0.1'])]));
  const other = { protocol: 'tcp', address: VIP, port: 81 } as const;
  kernel.fail({ part: 'journal', command: 'append', carriedOut: true });
  const error = await failureOf(state.apply(doc([tcp(['10.0.0.1']), { ...other, servers: ['10.0.0.1'] }])));
  expect(error.left).toEqual([]);
  await ipvs.addService(other); // somebody else's
  expect(await state.apply(doc([tcp(['10.0.0.1'])]))).toEqual([]);
  expect((await ports()).toSorted()).toEqual([80, 81]);
});

test('what is made again when the record could not be removed is still the owner’s', async () => {
  const { kernel, state, ports } = await begin(doc([tcp(['10.0.0.1'])]));
  kernel.fail({ part: 'journal', command: 'replace', object: '/a.json', carriedOut: true });
  await failureOf(state.apply(doc([])));
  expect(await ports()).toEqual([80]);
  expect((await state.plan(doc([tcp(['10.0.0.1'], { scheduler: 'wlc' })]))).conflicts).toEqual([]);
  await state.remove();
  expect(await ports()).toEqual([]);
});

test('a removal that left stale flows can be repeated', async () => {
  // With expire_nodest_conn IPVS itself takes the flow along.
  const sysctls = { 'net.ipv4.vs.conntrack': 1, 'net.ipv4.vs.expire_nodest_conn': 0 };
  const { kernel, state, connect } = await begin(doc([udp(['10.0.0.1'])], { sysctls }));
  connect('udp');
  const conntrack = await Conntrack.open({ kernel });
  kernel.fail({ part: 'conntrack' });
  const error = await failureOf(state.remove());
  expect(error.left).toMatchObject([{ step: { what: 'stale flows of UDP 192.0.2.1:53' }, error: { errno: 5 } }]);
  expect(await count(conntrack)).toBe(1);
  await state.remove();
  expect(await count(conntrack)).toBe(0);
});

test('what was not tried has not failed', async () => {
  const { kernel, state, connect } = await begin(doc([udp(['10.0.0.1'])], setting));
  connect('udp');
  kernel.fail({ command: 'NEW_DEST', object: '10.0.0.3', errno: 12 });
  kernel.fail({ part: 'conntrack' });
  const error = await failureOf(state.apply(doc([udp(['10.0.0.3'])]), { onFailure: 'leave' }));
  expect(actions(error.outcomes.filter((one) => one.error).map(({ step }) => step))).toEqual([
    'make server 10.0.0.3',
    'take-back stale flows of UDP 192.0.2.1',
  ]);
  expect(actions(error.notTried)).toEqual(['take-back server 10.0.0.1', 'take-back sysctl net/ipv4/vs/am_droprate']);
});

test('a sorry server that the handle wants is not waited for', async () => {
  const document = (weight: number): DesiredDocument =>
    doc([tcp([{ address: '10.0.0.1', weight }], { sorryServer: '10.0.0.9' })], { drain: { timeout: 60 } });
  const { kernel, state, connect } = await begin(document(0));
  connect();
  const next = await DesiredState.open(document(1), { kernel, record: '/a.json' });
  await next.apply();
  expect(await next.draining()).toHaveLength(1);
  for await (const progress of state.drain()) throw new Error(`it is wanted here: ${progress.server}`);
});

test('who drains and got its weight back goes in the same call if it is idle', async () => {
  const drain = { timeout: 3600 };
  const { kernel, state, ipvs, connect } = await begin(doc([tcp(['10.0.0.1', '10.0.0.2'])], { drain }));
  const connections = [connect(), connect()];
  const wanted = doc([tcp(['10.0.0.1'])], { drain });
  await state.apply(wanted);
  for (const row of await ipvs.table()) for (const server of row.servers) await server.update({ weight: 1 });
  for (const connection of connections) connection?.close();
  kernel.advance(600_000);
  expect(actions(await state.apply(wanted))).toEqual(['change server 10.0.0.2', 'take-back server 10.0.0.2']);
  expect((await state.plan()).empty).toBe(true);
});

test('flows to a server of UDP that is undone go with it', async () => {
  // With expire_nodest_conn IPVS itself takes the flow along.
  const sysctls = { 'net.ipv4.vs.conntrack': 1, 'net.ipv4.vs.expire_nodest_conn': 0 };
  const { kernel, state, connect } = await begin(doc([udp(['10.0.0.1'])], { sysctls }));
  const conntrack = await Conntrack.open({ kernel });
  // A client comes right after the batch in which another server was added, and before that is undone.
  const ipvs = await Ipvs.open({ kernel });
  kernel.fail({ command: 'NEW_DEST', object: '10.0.0.3', errno: 5 });
  const applying = failureOf(state.apply(doc([udp(['10.0.0.1', '10.0.0.2', '10.0.0.3'])])));
  let came = false;
  for (let turn = 0; turn < 1000 && !came; turn++) {
    await Promise.resolve();
    const [row] = kernel.requests.slice(-1);
    if (row?.command !== 'NEW_DEST' || !row.object.includes('10.0.0.3')) continue;
    for (let i = 0; i < 4; i++) connect('udp');
    came = true;
  }
  expect(came).toBe(true);
  expect((await applying).left).toEqual([]);
  expect((await ipvs.table()).flatMap(({ servers }) => servers.map(({ address }) => address))).toEqual(['10.0.0.1']);
  for await (const flow of conntrack.flows()) expect(flow.reply.source).toBe('10.0.0.1');
});
