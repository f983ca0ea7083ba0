// Settings that several owners want: sysctls and timeouts have one value for all of them.
import { expect, test } from 'vitest';
import { applyDocument, type DesiredDocument, DesiredState, Network } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const NAME = 'net.ipv4.vs.am_droprate'; // 10, if nobody sets it
const wanted = (owner: string, value = 5): DesiredDocument => ({ owner, sysctls: { [NAME]: value } });

async function begin() {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  return { kernel, value: () => network.sysctl(NAME) };
}

test('a record under another spelling of its path is the same owner', async () => {
  const kernel = new MemoryKernel();
  const sysctls = { 'net.ipv4.ip_forward': 1 };
  await using network = await Network.open({ kernel });
  const before = await network.sysctl('net.ipv4.ip_forward');
  await applyDocument({ owner: 'a', sysctls }, { kernel, record: 'b/../a.json' });
  expect(await network.sysctl('net.ipv4.ip_forward')).toBe('1');
  await using state = await DesiredState.open({ owner: 'a' }, { kernel, record: '/a.json' });
  await state.remove();
  expect(await network.sysctl('net.ipv4.ip_forward')).toBe(before);
});

test('an owner that comes while another goes has what it wants', async () => {
  for (let turns = 0; turns < 60; turns += 3) {
    const { kernel, value } = await begin();
    const a = await DesiredState.open({ owner: 'a' }, { kernel });
    const b = await DesiredState.open({ owner: 'b' }, { kernel });
    await a.apply(wanted('a'));
    const comes = async (): Promise<unknown> => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      return b.apply(wanted('b'));
    };
    await Promise.all([a.apply({ owner: 'a' }), comes()]);
    expect([turns, await value()]).toEqual([turns, '5']);
    await b.remove();
    expect([turns, await value()]).toEqual([turns, '10']);
  }
});

test('an owner that wants another value wants only that', async () => {
  const { kernel, value } = await begin();
  await applyDocument(wanted('a', 5), { kernel });
  await applyDocument(wanted('a', 7), { kernel });
  await expect(applyDocument(wanted('b', 5), { kernel })).rejects.toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
  await applyDocument(wanted('b', 7), { kernel });
  await applyDocument({ owner: 'a' }, { kernel });
  expect(await value()).toBe('7');
  await applyDocument({ owner: 'b' }, { kernel });
  expect(await value()).toBe('10');
});

test('what could not be given up, and is wanted again, is claimed again', async () => {
  const { kernel, value } = await begin();
  const a = await DesiredState.open(wanted('a'), { kernel, record: '/a.json' });
  const b = await DesiredState.open(wanted('b'), { kernel, record: '/b.json' });
  await a.apply();
  await b.apply();
  kernel.fail({ part: 'journal', command: 'append', object: '/a.json' });
  await expect(a.apply({ owner: 'a' }, { onFailure: 'leave' })).rejects.toThrow();
  await a.apply(wanted('a'));
  await b.remove();
  expect(await value()).toBe('5');
  await a.remove();
  expect(await value()).toBe('10');
});

test('a setting is set back by the next program of an owner that died when it had only claimed it', async () => {
  const { kernel, value } = await begin();
  const a = await DesiredState.open(wanted('a'), { kernel });
  await a.apply();
  const boot = (await kernel.bootId()).slice(0, 8);
  const journal = await kernel.openJournal(`/run/ipvs/${boot}-1.shared.json`);
  const book = JSON.parse((await journal.read()) ?? '');
  book.claims[0].owners.b = { kind: 'sysctl', path: NAME.replaceAll('.', '/'), value: '5' };
  await journal.replace(`${JSON.stringify(book)}\n`);
  await journal.close();
  await a.remove();
  expect(await value()).toBe('5');
  await applyDocument({ owner: 'b' }, { kernel });
  expect(await value()).toBe('10');
});

test('who wants no settings needs no book of them', async () => {
  const { kernel } = await begin();
  kernel.fail({ part: 'journal', object: 'shared.json', errno: 13, times: Number.POSITIVE_INFINITY });
  const document: DesiredDocument = { owner: 'a', services: [{ fwmark: 1 }] };
  const state = await DesiredState.open(document, { kernel, record: '/a.json' });
  expect(await state.apply()).toHaveLength(1);
  await expect(state.apply({ ...document, ...wanted('a') })).rejects.toMatchObject({ code: 'ERR_IPVS_RECORD' });
});
