// Names from outside that every object seems to have: members of `Object.prototype`.
import { describe, expect, test } from 'vitest';
import {
  applyDocument,
  type DesiredDocument,
  DesiredState,
  Ipvs,
  Network,
  planDocument,
  Role,
  StateSnapshot,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__proto__', '__defineGetter__'];
const NAME = 'net.ipv4.vs.am_droprate'; // 10, if nobody sets it
const wanted = (owner: string, value = 5): DesiredDocument => ({ owner, sysctls: { [NAME]: value } });

async function begin() {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  return { kernel, network, value: () => network.sysctl(NAME) };
}

describe.each(names)('an owner named %s', (owner) => {
  test('claims no setting of another owner', async () => {
    const { kernel, value } = await begin();
    await applyDocument(wanted('a'), { kernel });
    await using state = await DesiredState.open({ owner }, { kernel });
    expect((await state.plan()).steps).toEqual([]);
    expect(await state.apply()).toEqual([]);
    expect(await state.remove()).toEqual([]);
    await applyDocument({ owner: 'a' }, { kernel });
    expect(await value()).toBe('10');
  });

  test('claims its own settings beside those of others', async () => {
    const { kernel, value } = await begin();
    await applyDocument(wanted(owner), { kernel });
    await applyDocument(wanted('a'), { kernel });
    await expect(applyDocument(wanted('a', 7), { kernel })).rejects.toThrow(`as ${owner} wants it`);
    await applyDocument({ owner: 'a' }, { kernel });
    expect(await value()).toBe('5');
    await applyDocument({ owner }, { kernel });
    expect(await value()).toBe('10');
  });

  test('plans the same on another machine', async () => {
    const { kernel } = await begin();
    await using state = await DesiredState.open(
      { ...wanted(owner), services: [{ fwmark: 1, marks: [{ protocol: 'tcp', port: 80 }] }] },
      { kernel },
    );
    const there = StateSnapshot.parse(JSON.stringify(await state.snapshot()));
    expect(String(await planDocument(state.document, there))).toBe(String(await state.plan()));
  });

  test('is a role that comes and goes', async () => {
    const { kernel, network, value } = await begin();
    await network.addLink({ kind: 'dummy', name: 'eth0' });
    await applyDocument(wanted('a'), { kernel });
    const description = { role: 'real-server', vip: '192.0.2.1', interface: 'eth0' } as const;
    await using role = await Role.open(description, { kernel, name: owner });
    await role.apply();
    expect(await role.verify()).toEqual([]);
    await role.remove();
    await applyDocument({ owner: 'a' }, { kernel });
    expect(await value()).toBe('10');
  });
});

describe.each(names.map((name) => name.slice(0, 15)))('an interface named %s', (name) => {
  test('has addresses and settings of its own', async () => {
    const { kernel, network } = await begin();
    await network.addLink({ kind: 'dummy', name });
    const path = `net/ipv4/conf/${name}/arp_ignore`;
    await using state = await DesiredState.open(
      { owner: 'a', addresses: [{ interface: name, address: '192.0.2.1' }], sysctls: { [path]: 1 } },
      { kernel },
    );
    await state.apply();
    expect(await network.sysctl(path)).toBe('1');
    expect((await network.addresses({ interface: name })).map(({ address }) => address)).toContain('192.0.2.1/32');
    await state.remove();
    expect(await network.sysctl(path)).toBe('0');
  });
});

test.each(names)('a sysctl, an option, a timeout, a role and a scheduler named %s are refused', async (name) => {
  const { kernel } = await begin();
  const text = (document: string): string => document.replaceAll('NAME', name);
  for (const document of [
    '{"owner":"a","sysctls":{"NAME":1}}',
    '{"owner":"a","NAME":1}',
    '{"owner":"a","timeouts":{"NAME":1}}',
    '{"owner":"a","roles":[{"role":"NAME"}]}',
    '{"owner":"a","nat":[{"type":"NAME"}]}',
    '{"owner":"a","services":[{"fwmark":1,"NAME":1}]}',
    '{"owner":"a","services":[{"fwmark":1,"servers":[{"address":"10.0.0.1","forwarding":"NAME"}]}]}',
  ])
    await expect(DesiredState.open(text(document), { kernel })).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
    });
  const ipvs = await Ipvs.open({ kernel });
  await expect(ipvs.addService({ fwmark: 1, scheduler: name.slice(0, 15) })).rejects.toMatchObject({
    code: 'ERR_IPVS_UNKNOWN_SCHEDULER',
  });
});
