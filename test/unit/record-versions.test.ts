// Records of version 1 are taken over; those of a version to come are refused with a reason.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseBook } from '../../src/desired/record/book.js';
import { ledgerOf } from '../../src/desired/record/journal.js';
import { applyDocument, DesiredState, Network } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

/** Files of /run/ipvs of version 1, written by a real run on Linux 7.3 (documents with roles, services, marks, a drain). */
const file = (name: string): string => readFileSync(new URL(`fixtures/records-1/${name}`, import.meta.url), 'utf8');

async function kernelWith(path: string, text: string): Promise<MemoryKernel> {
  const kernel = new MemoryKernel();
  const journal = await kernel.openJournal(path);
  await journal.replace(text);
  await journal.close();
  return kernel;
}

describe('a record of version 1', () => {
  test('of a real run has everything under its new ids', async () => {
    const ledger = await ledgerOf(file('fixture.journal'));
    expect([...(ledger?.owned ?? [])].map(([id, { service, servers }]) => [id, service, [...servers.keys()]])).toEqual([
      ['tcp/10.9.0.1/80', true, ['10.8.0.2/8080']],
      ['tcp/10.0.0.254/30080', true, ['10.8.0.2/8080']],
      ['tcp/10.0.0.1/80', true, ['10.0.0.10/80']],
      ['udp/10.0.0.1/53', true, ['10.0.0.10/53']],
      ['tcp/fd00::1/443', true, ['fd00::10/443']],
      ['fwmark/ipv4/80', true, ['10.0.0.12/0']],
      ['fwmark/ipv6/81', true, ['fd00::12/0']],
    ]);
    expect(ledger?.owned.get('tcp/10.0.0.1/80' as never)?.about).toEqual({ drain: { timeout: 300 } });
    const entries = ledger?.entries ?? [];
    expect(entries).toHaveLength(22);
    const before = Object.fromEntries(entries.map(({ id, before }) => [id, before]));
    expect(before['["sysctl","net/ipv4/ip_forward"]']).toMatchObject({
      kind: 'sysctl',
      texts: { 'net/ipv4/ip_forward': '0', 'net/ipv4/conf/all/accept_redirects': '1' },
    });
    expect(before['["timeout","tcp"]']).toEqual({ kind: 'timeout', seconds: 900 });
    expect(before['["netfilter","ipvs-fixture"]']).toEqual({
      kind: 'netfilter',
      state: { marks: [], rules: [] },
    });
    expect(before['["address","e0","10.0.0.1/32"]']).toBeUndefined();
    expect([ledger?.stale.size, ledger?.translated.size, ledger?.announcements.size]).toEqual([0, 0, 0]);
  });

  test('that owners share has its claims, also of two owners', () => {
    const book = parseBook(file('shared.book'));
    expect(book.size).toBe(14);
    const forwarding = book.get('["sysctl","net/ipv4/ip_forward"]' as never);
    expect([...(forwarding?.owners ?? [])]).toEqual(
      ['fixture', 'second'].map((owner) => [owner, { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' }]),
    );
    expect(forwarding?.interfaces.get('e0')).toBe(3);
    expect(book.get('["timeout","tcp"]' as never)?.before).toEqual({ kind: 'timeout', seconds: 900 });
  });

  test('is taken over by the next apply, which writes version 2, and everything goes back', async () => {
    const lines = [
      '{"version":1}',
      '{"put":{"name":"sysctl net/ipv4/vs/am_droprate","item":{"kind":"sysctl","name":"net/ipv4/vs/am_droprate","value":"7"},"before":"10"}}',
      '{"put":{"name":"link gone up","item":{"kind":"up","interface":"gone"}}}',
      '{"remove":"link gone up"}',
      '{"remove":"what was never put"}',
      '{"announce":{"what was never put":true}}',
      '{"own":{"FWM 80":["","10.0.0.1:0"]}}',
      '',
    ];
    const kernel = await kernelWith('/a.json', lines.join('\n'));
    await using network = await Network.open({ kernel });
    await network.setSysctl('net.ipv4.vs.am_droprate', '7');
    await using state = await DesiredState.open({ owner: 'a' }, { kernel, record: '/a.json' });
    expect((await state.plan()).changes.map(({ action, what }) => `${action} ${what}`).sort()).toEqual([
      'take-back server 10.0.0.1:0 of FWM 80',
      'take-back service FWM 80',
      'take-back sysctl net/ipv4/vs/am_droprate',
    ]);
    await state.apply({ owner: 'a', sysctls: { 'net.ipv4.vs.am_droprate': 8 } });
    const journal = await kernel.openJournal('/a.json');
    const [head, ...rest] = ((await journal.read()) ?? '').split('\n');
    await journal.close();
    expect(head).toBe('{"version":2}');
    expect(JSON.parse(rest[0] ?? '')).toMatchObject({ put: { id: '["sysctl","net/ipv4/vs/am_droprate"]' } });
    await state.remove();
    expect(await network.sysctl('net.ipv4.vs.am_droprate')).toBe('10');
  });

  test.each([
    [
      'ip_forward with two numbers',
      'net/ipv4/ip_forward',
      '0 1',
      { 'net/ipv4/ip_forward': '0', 'net/ipv4/conf/all/accept_redirects': '1' },
    ],
    ['one text', 'net/ipv4/vs/am_droprate', '10', { 'net/ipv4/vs/am_droprate': '10' }],
    ['several texts', 'net/ipv4/vs/am_droprate', '{"net/a":"1","net/b":"2"}', { 'net/a': '1', 'net/b': '2' }],
  ])('has earlier texts: %s', async (_, name, before, texts) => {
    const put = { name: `sysctl ${name}`, item: { kind: 'sysctl', name, value: '1' }, before };
    const ledger = await ledgerOf(`{"version":1}\n${JSON.stringify({ put })}\n`);
    expect(ledger?.entries[0]?.before).toEqual({ kind: 'sysctl', texts });
  });

  test.each([
    '{"own":{"FWM x":[""]}}',
    '{"own":{"ICMP 10.0.0.1:1":[""]}}',
    '{"own":{"FWM 1":["host"]}}',
    '{"own":{"FWM 1":null}}',
    '{"drain":null}',
    '{"put":{"name":"a","item":{"kind":"disk"}}}',
    '{"put":{"name":"timeout tcp","item":{"kind":"timeout","name":"tcp","seconds":1},"before":5}}',
    '{"announce":[]}',
    '{"remove":"x","own":{"FWM 1":[""]}}',
    '{"put":{"name":"link eth0 up","item":{"kind":"up","interface":"eth0"},"before":"x"}}',
    '7',
  ])('is refused with the line %s', async (line) => {
    const kernel = await kernelWith('/a.json', `{"version":1}\n${line}\n`);
    await expect(DesiredState.open({ owner: 'a' }, { kernel, record: '/a.json' })).rejects.toMatchObject({
      code: 'ERR_IPVS_RECORD',
      message: expect.stringContaining('line 2 is damaged'),
    });
  });
});

describe('a record of a version to come', () => {
  const words = 'it is of version 3, which a later version of this library wrote';

  test('of an owner is refused, and stays as it is', async () => {
    const text = '{"version":3}\n{"new":1}\n';
    const kernel = await kernelWith('/a.json', text);
    await expect(DesiredState.open({ owner: 'a' }, { kernel, record: '/a.json' })).rejects.toMatchObject({
      code: 'ERR_IPVS_RECORD',
      message: expect.stringContaining(words),
    });
    const journal = await kernel.openJournal('/a.json');
    expect(await journal.read()).toBe(text);
    expect(await ledgerOf(text)).toBeUndefined();
  });

  test('that owners share is refused', async () => {
    const boot = (await new MemoryKernel().bootId()).slice(0, 8);
    const kernel = await kernelWith(`/run/ipvs/${boot}-1.shared.json`, '{"version":3,"claims":{}}\n');
    const document = { owner: 'a', sysctls: { 'net.ipv4.vs.am_droprate': 8 } };
    await expect(applyDocument(document, { kernel })).rejects.toMatchObject({
      code: 'ERR_IPVS_RECORD',
      message: expect.stringContaining(words),
    });
  });
});
