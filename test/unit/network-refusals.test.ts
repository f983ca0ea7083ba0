// What a refusal of the kernel means, by what it was asked.
import { describe, expect, test } from 'vitest';
import { Errno } from '../../src/common/errno.js';
import type { LinkOptions, NetworkNamespace } from '../../src/index.js';
import { type NetworkChange, toOperation } from '../../src/network/changes.js';
import { refused } from '../../src/network/refusals.js';

function asked(change: NetworkChange, errno: number, message = '', namespace = false): { code: string; text: string } {
  const { code, message: text } = refused(toOperation(change), { errno, message, namespace });
  return { code, text };
}

const add = (link: LinkOptions, message = ''): { code: string; text: string } =>
  asked({ change: 'add-link', link }, Errno.EOPNOTSUPP, message);

describe('a kind that the kernel does not know', () => {
  const unknown = 'Unknown device type';
  test.each<[string, LinkOptions]>([
    ['dummy', { kind: 'dummy', name: 'd' }],
    ['veth', { kind: 'veth', name: 'd', peer: { name: 'e' } }],
    ['bridge', { kind: 'bridge', name: 'd', vlanFiltering: true }],
    ['vxlan', { kind: 'vxlan', name: 'd', id: 1, master: 'br0' }],
    ['ipip', { kind: 'ipip', name: 'd' }],
    ['ip_gre', { kind: 'gre', name: 'd' }],
    ['macvlan', { kind: 'macvlan', name: 'd', parent: 'eth0' }],
  ])('modprobe %s', (module, link) => {
    const { code, text } = add(link, unknown);
    expect(code).toBe('ERR_IPVS_NOT_AVAILABLE');
    expect(text).toBe(
      `cannot add link d (${link.kind}): the kernel does not have interfaces of kind ${link.kind} (EOPNOTSUPP: ${unknown}). ` +
        `Usual cause: the module is not built or cannot be loaded: run \`modprobe ${module}\` as root`,
    );
  });
});

describe('what the kernel does not support of a kind that it has', () => {
  test.each<[LinkOptions, string]>([
    [{ kind: 'vxlan', name: 'd', id: 1, master: 'eth0' }, 'the master eth0 is not a bridge, and cannot have ports'],
    [{ kind: 'bridge', name: 'd', vlanFiltering: true }, 'built without vlanFiltering'],
    [{ kind: 'bridge', name: 'd', multicastSnooping: false }, 'built without multicastSnooping'],
    [{ kind: 'bridge', name: 'd', vlanFiltering: true, master: 'eth0' }, 'cannot have ports; or the kernel was built'],
    [{ kind: 'macvlan', name: 'd', parent: 'eth0' }, 'the kernel was built without one of the options'],
  ])('%j', (link, cause) => {
    const { code, text } = add(link);
    expect(code).toBe('ERR_IPVS_REJECTED');
    expect(text).toContain(cause);
    expect(text).not.toContain('modprobe');
  });

  test.each<[NetworkChange, string]>([
    [{ change: 'update-link', name: 'd', changes: { master: 'lo' } }, 'the master lo is not a bridge'],
    [{ change: 'update-link', name: 'd', changes: { mtu: 99 } }, 'the driver cannot change'],
    [{ change: 'delete-link', name: 'd' }, 'its driver does not support deletion'],
    [{ change: 'add-rule', rule: { family: 'ipv4', table: 7 } }, 'the kernel was built without it'],
  ])('%j', (change, cause) => {
    const { code, text } = asked(change, Errno.EOPNOTSUPP);
    expect(code).toBe('ERR_IPVS_REJECTED');
    expect(text).toContain(cause);
  });
});

test('addresses', () => {
  const change: NetworkChange = { change: 'add-address', address: { interface: 'eth0', address: '::1/128' } };
  expect(asked(change, Errno.EADDRNOTAVAIL).code).toBe('ERR_IPVS_REJECTED');
  expect(asked(change, Errno.EACCES).text).toContain('net.ipv6.conf.eth0.disable_ipv6');
  expect(asked(change, Errno.EPERM).code).toBe('ERR_IPVS_PERMISSION');
});

test('a namespace that an operation names', () => {
  const namespace: NetworkNamespace = { path: '/run/netns/none' };
  const change: NetworkChange = { change: 'update-link', name: 'd', changes: { namespace } };
  expect(asked(change, Errno.ENOENT, 'open /run/netns/none', true).code).toBe('ERR_IPVS_NO_SUCH_NAMESPACE');
});
