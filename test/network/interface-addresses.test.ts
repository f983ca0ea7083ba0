// Addresses that no interface can have, compared with what `ip address add` leaves.
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import { DesiredState, Network, Role } from '../../src/index.js';
import { usePlaces } from './world.js';

const [here] = usePlaces(1);
if (!here) throw new Error('no place');
const refused = { code: 'ERR_IPVS_INVALID_ARGUMENT' };

beforeAll(() => here.ip('link add d0 type veth peer name p0', 'link set d0 up', 'link set p0 up'));

/** Adds an address with ip, returns true if the interface then has it, and deletes it. */
function holds(address: string): boolean {
  const ip = (...command: string[]): string =>
    spawnSync('ip', ['-n', here?.name ?? '', ...command], { encoding: 'utf8' }).stdout;
  ip('address', 'add', address, 'dev', 'd0');
  const has = ip('-o', 'address', 'show', 'dev', 'd0').includes(` ${address} `);
  ip('address', 'del', address, 'dev', 'd0');
  return has;
}

describe.each(['0.0.0.0/32', '0.0.0.0/24', '::/128', '::/64', 'ff02::1/128', 'ff0e::1234/64'])('%s', (address) => {
  test('is an address that the kernel does not add', () => {
    expect(holds(address)).toBe(false);
  });

  test('is rejected by a document, a role and addAddress', async () => {
    const document = { owner: 'a', namespace: here.name, addresses: [{ interface: 'd0', address }] };
    await expect(DesiredState.open(document, { record: false })).rejects.toMatchObject(refused);
    const [vip = ''] = address.split('/');
    await expect(
      Role.open({ role: 'real-server', vip, interface: 'd0' }, { namespace: here.name, record: false }),
    ).rejects.toMatchObject(refused);
    await using network = await Network.open({ namespace: here.name });
    await expect(network.addAddress({ interface: 'd0', address })).rejects.toMatchObject(refused);
  });
});

test.each([
  '0.0.0.1/32',
  '224.0.0.1/32',
  '240.0.0.1/32',
  '255.255.255.255/32',
  '10.0.0.0/24',
  'ff::1/128',
  'fe80::9/128',
])('%s, which the kernel adds, is as wanted after one apply', async (address) => {
  expect(holds(address)).toBe(true);
  const document = { owner: 'a', namespace: here.name, addresses: [{ interface: 'd0', address }] };
  await using state = await DesiredState.open(document, { record: false });
  expect(await state.apply()).toHaveLength(1);
  expect((await state.plan()).empty).toBe(true);
  await state.remove();
});
