// Messages as a kernel sends them, and what is cut short or nonsense.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IpvsError } from '../../src/index.js';
import { KernelFailure } from '../../src/kernel/index.js';
import { readMessages } from '../../src/linux/netlink/reader.js';
import { MessageWriter } from '../../src/linux/netlink/writer.js';
import { decodeAddress, encodeAddAddress } from '../../src/linux/network/addresses.js';
import { decodeForwardingEntry, encodeForwardingEntry } from '../../src/linux/network/forwarding.js';
import { decodeLink, encodeAddLink, encodeSetLink, toLink } from '../../src/linux/network/links.js';
import { decodeNeighbour, encodeSetNeighbour } from '../../src/linux/network/neighbours.js';
import { decodeRoute, encodeRoute } from '../../src/linux/network/routes.js';
import { decodeRule, encodeRule } from '../../src/linux/network/rules.js';
import { checkAddressOptions } from '../../src/network/address-options.js';
import { announcement } from '../../src/network/frames.js';
import { checkLink, checkLinkChanges } from '../../src/network/link-options.js';
import { checkForwardingEntry, checkForwardingSelector, checkNeighbour } from '../../src/network/neighbour-options.js';
import { checkRoute, checkRouteSelector } from '../../src/network/route-options.js';
import { checkRule, checkRuleSelector, kernelTakes } from '../../src/network/rule-options.js';
import { sysctlPath } from '../../src/network/sysctls.js';

const indexOf = (name: string): number => ({ eth0: 4, lo: 1, br0: 9 })[name] ?? 0;
const nameOf = (index: number): string | undefined => ({ 4: 'eth0', 1: 'lo', 9: 'br0' })[index];

/** The one message that something writes. */
function written(write: (writer: MessageWriter) => void): { hex: string; payload: Uint8Array } {
  const writer = new MessageWriter();
  write(writer);
  const { bytes } = writer.take();
  const [message] = [...readMessages(Uint8Array.from(bytes).buffer)];
  if (!message) throw new Error('no message');
  return { hex: Buffer.from(bytes).toString('hex'), payload: message.payload };
}

const messages = {
  link: written((writer) =>
    encodeAddLink(
      writer,
      checkLink({
        kind: 'vxlan',
        name: 'vx0',
        id: 4096,
        local: '10.0.0.1',
        remote: 'FF05::100'.includes(':') ? '10.0.0.2' : '',
        device: 'eth0',
        proxy: true,
        l3miss: true,
        master: 'br0',
        address: '02:42:0a:00:00:14',
        mtu: 1450,
        up: true,
      }),
      indexOf,
      () => -1,
    ),
  ),
  address: written((writer) =>
    encodeAddAddress(
      writer,
      checkAddressOptions({ interface: 'eth0', address: '192.168.1.100/32', label: 'eth0:v', protocol: 7 }),
      4,
    ),
  ),
  route: written((writer) =>
    encodeRoute(
      writer,
      'add-route',
      checkRoute({ destination: 'default', type: 'local', interface: 'lo', table: 100 }),
      indexOf,
    ),
  ),
  multipath: written((writer) =>
    encodeRoute(
      writer,
      'add-route',
      checkRoute({
        destination: '10.9.0.0/16',
        nexthops: [{ via: '10.0.0.7', weight: 3 }, { interface: 'eth0' }],
        mtu: 1300,
      }),
      indexOf,
    ),
  ),
  rule: written((writer) =>
    encodeRule(
      writer,
      'add-rule',
      checkRule({ family: 'ipv4', mark: 80, mask: 0xff, table: 70_000, priority: 99, source: '10.0.0.0/8' }),
    ),
  ),
  neighbour: written((writer) =>
    encodeSetNeighbour(
      writer,
      checkNeighbour({ interface: 'eth0', address: 'fd00::7', linkAddress: '02:42:0A:00:00:14' }),
      4,
    ),
  ),
  entry: written((writer) =>
    encodeForwardingEntry(
      writer,
      'add-forwarding-entry',
      checkForwardingEntry({
        interface: 'eth0',
        linkAddress: '02:42:0a:00:00:14',
        destination: '10.0.0.2',
        port: 4789,
        vni: 5,
      }),
      indexOf,
    ),
  ),
};

describe('what is written, byte for byte', () => {
  test('an address', () => {
    expect(messages.address.hex).toBe(
      `${'3c000000140005060000000000000000'}${'02200000'}04000000${'08000200c0a80164'}${'08000100c0a80164'}` +
        `${'0b000300657468303a760000'}${'05000b0007000000'}`.replace(/^/, ''),
    );
  });

  test('local default dev lo table 100', () => {
    expect(messages.route.hex).toBe(
      `2c0000001800050600000000000000000200000064${'04fe02'}00000000${'08000f0064000000'}${'0800040001000000'}`,
    );
  });

  test('a rule', () => {
    expect(messages.rule.hex).toBe(
      `4c000000200005060000000000000000020008000000000100000000${'0800060063000000'}${'080002000a000000'}` +
        `${'08000a0050000000'}${'08001000ff000000'}${'08000f0070110100'}${'0500150004000000'}`,
    );
  });

  test('renaming goes by index, all else by name', () => {
    const change = (changes: Parameters<typeof checkLinkChanges>[0]): string =>
      written((writer) => encodeSetLink(writer, 'eth0', checkLinkChanges(changes), indexOf, () => 7)).hex.slice(32);
    expect(change({ up: true })).toBe(`00000000${'00000000'}0100000001000000${'0900030065746830'}00000000`);
    expect(change({ name: 'new' })).toBe(`00000000${'04000000'}0000000000000000${'080003006e657700'}`);
    expect(change({ master: null, namespace: 'blue' })).toContain(`${'08001c0007000000'}${'08000a0000000000'}`);
  });
});

describe('what is read is what was written', () => {
  test('a link', () => {
    const raw = decodeLink(messages.link.payload);
    expect(raw && toLink(raw, nameOf)).toEqual({
      index: 0,
      name: 'vx0',
      alternativeNames: [],
      kind: 'vxlan',
      data: {
        kind: 'vxlan',
        id: 4096,
        port: 4789,
        local: '10.0.0.1',
        remote: '10.0.0.2',
        device: 'eth0',
        learning: true,
        proxy: true,
        l2miss: false,
        l3miss: true,
        external: false,
      },
      up: true,
      running: false,
      operationalState: 'unknown',
      mtu: 1450,
      address: '02:42:0a:00:00:14',
      master: 'br0',
    });
  });

  test('the others', () => {
    expect(decodeAddress(messages.address.payload)).toMatchObject({
      index: 4,
      address: '192.168.1.100/32',
      label: 'eth0:v',
    });
    expect(decodeRoute(messages.route.payload)).toMatchObject({
      type: 'local',
      destination: 'default',
      table: 100,
      index: 1,
    });
    expect(decodeRoute(messages.multipath.payload)).toMatchObject({
      mtu: 1300,
      hops: [
        { via: '10.0.0.7', weight: 3 },
        { index: 4, weight: 1 },
      ],
    });
    expect(decodeRule(messages.rule.payload)).toEqual({
      family: 'ipv4',
      priority: 99,
      action: 'lookup',
      table: 70_000,
      invert: false,
      source: '10.0.0.0/8',
      mark: 80,
      mask: 255,
      protocol: 4,
      further: false,
    });
    expect(decodeNeighbour(messages.neighbour.payload)).toMatchObject({ address: 'fd00::7', state: 'permanent' });
    expect(decodeForwardingEntry(messages.entry.payload)).toMatchObject({
      destination: '10.0.0.2',
      port: 4789,
      vni: 5,
      self: true,
    });
  });
});

const decoders = [decodeLink, decodeAddress, decodeRoute, decodeRule, decodeNeighbour, decodeForwardingEntry];

/** It is read, or it is malformed; nothing else happens. */
function survives(payload: Uint8Array): void {
  for (const decode of decoders) {
    try {
      decode(payload);
    } catch (error) {
      expect(error).toBeInstanceOf(KernelFailure);
      expect((error as KernelFailure).errno).toBe(74);
    }
  }
}

test('what is cut short or changed in any byte is read or malformed', () => {
  for (const { payload } of Object.values(messages)) {
    for (let length = 0; length < payload.length; length++) survives(payload.subarray(0, length));
    for (let at = 0; at < payload.length; at++)
      for (const value of [0, 1, 3, 4, 7, 10, 0x7f, 0xff]) {
        const changed = Uint8Array.from(payload);
        changed[at] = value;
        survives(changed);
      }
  }
});

test('nonsense is read or malformed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(bytes)),
    { numRuns: 2000 },
  );
});

test('ports of bridges are no links, learned routes are no routes', () => {
  const port = Uint8Array.from(messages.link.payload);
  port[0] = 7;
  expect(decodeLink(port)).toBeUndefined();
  const learned = Uint8Array.from(messages.route.payload);
  learned[9] = 2; // RTM_F_CLONED
  expect(decodeRoute(learned)).toBeUndefined();
  expect(decodeRoute(learned, true)).toBeDefined();
});

test('frames of announcements', () => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const arp = announcement('ipv4', mac, '10.0.0.5', false);
  expect(arp).toHaveLength(42);
  const advertisement = announcement('ipv6', mac, 'fd00::5', false);
  expect(advertisement).toHaveLength(86);
  // The sum over the pseudo-header and the message, its checksum with it, is all ones.
  const view = new DataView(advertisement.buffer);
  let sum = 32 + 58;
  for (let at = 22; at < 86; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  expect(sum).toBe(0xffff);
});

describe('what must not be sent', () => {
  const refused = (check: () => unknown): void => {
    expect(check).toThrow(IpvsError);
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_IPVS_INVALID_ARGUMENT' }));
  };

  test('interfaces', () => {
    const bridge = (options: object) => () => checkLink({ kind: 'bridge', name: 'br0', ...options } as never);
    for (const name of ['', 'a b', 'a/b', '.', '..', 'sixteen-bytes-xx', 'veth%d', 'a:b', 7]) refused(bridge({ name }));
    refused(bridge({ kind: 'wormhole' }));
    refused(bridge({ address: '02:42' }));
    refused(bridge({ colour: 'red' }));
    refused(bridge({ master: 'br1', namespace: 'blue' }));
    refused(bridge({ up: 1 }));
    refused(() => checkLink({ kind: 'vxlan', name: 'vx', id: 1, local: '10.0.0.1', remote: 'fd00::1' }));
    refused(() => checkLink({ kind: 'vxlan', name: 'vx', id: 1 << 24 }));
    refused(() => checkLink({ kind: 'vxlan', name: 'vx' }));
    refused(() => checkLink({ kind: 'vxlan', name: 'vx', external: true, id: 1 }));
    refused(() => checkLink({ kind: 'ipip', name: 'tun', local: 'fd00::1' }));
    refused(() => checkLink({ kind: 'ipip', name: 'tun', key: 1 } as never));
    refused(() => checkLink({ kind: 'veth', name: 'a', peer: { name: 'a' } }));
    refused(() => checkLinkChanges({}));
    refused(() => checkLinkChanges({ mtu: undefined }));
  });

  test('addresses and routes', () => {
    const address = (text: string) => () => checkAddressOptions({ interface: 'eth0', address: text });
    for (const text of ['10.0.0.1', '10.0.0.1/33', 'fd00::1/129', 'eth0/24', '10.0.0.1/24/8', '10.0.0.1/-1'])
      refused(address(text));
    refused(() => checkAddressOptions({ interface: 'eth0', address: 'fd00::1/64', label: 'eth0:1' }));
    const route = (options: object) => () => checkRoute({ destination: '10.0.0.0/8', ...options } as never);
    refused(route({}));
    refused(route({ destination: '10.0.0.1/8', interface: 'eth0' }));
    refused(route({ via: 'fd00::1', destination: '10.0.0.0/8', table: 0 }));
    refused(route({ destination: 'fd00::/16', via: '10.0.0.1' }));
    refused(route({ type: 'blackhole', via: '10.0.0.1' }));
    refused(route({ type: 'local' }));
    refused(route({ via: '10.0.0.1', nexthops: [{ via: '10.0.0.2' }] }));
    refused(() => checkRouteSelector({ destination: '10.0.0.0/8' }));
  });

  test('rules and entries', () => {
    refused(() => checkRule({ mark: 1, table: 100 }));
    refused(() => checkRule({ family: 'ipv4', mark: 1 }));
    refused(() => checkRule({ family: 'ipv4', mark: 0, table: 100 }));
    refused(() => checkRule({ family: 'ipv4', mark: 0x100, mask: 0xff, table: 100 }));
    refused(() => checkRule({ family: 'ipv6', source: '10.0.0.0/8', table: 100 }));
    refused(() => checkRule({ family: 'ipv4', action: 'blackhole', table: 100 }));
    refused(() => checkRuleSelector({ family: 'ipv4', mark: 1 }));
    refused(() => checkNeighbour({ interface: 'eth0', address: '10.0.0.1' }));
    refused(() =>
      checkForwardingEntry({ interface: 'eth0', linkAddress: '02:42:0a:00:00:14', self: true, master: true }),
    );
    refused(() => checkForwardingEntry({ interface: 'eth0', linkAddress: '02:42:0a:00:00:14', append: true }));
    refused(() => checkForwardingSelector({ interface: 'eth0', linkAddress: 'any' }));
  });

  test('settings outside of net', () => {
    expect(sysctlPath('net.ipv4.ip_forward')).toBe('/proc/sys/net/ipv4/ip_forward');
    expect(sysctlPath('net/ipv4/conf/eth0.100/rp_filter')).toBe('/proc/sys/net/ipv4/conf/eth0.100/rp_filter');
    expect(sysctlPath({ family: 'ipv6', interface: 'eth0.5', name: 'accept_ra' })).toBe(
      '/proc/sys/net/ipv6/conf/eth0.5/accept_ra',
    );
    for (const path of [
      'kernel.panic',
      'net/../kernel/panic',
      'net',
      '',
      'net//ipv4',
      '/net/ipv4',
      'net/./ipv4',
      'net.\0',
    ])
      refused(() => sysctlPath(path));
    refused(() => sysctlPath({ family: 'ipv4', interface: '..', name: 'x' }));
    refused(() => sysctlPath({ family: 'ipv4', interface: 'eth0', name: '../x' }));
  });
});

test('which rule the kernel takes for which', () => {
  const rule = {
    family: 'ipv4',
    priority: 5,
    action: 'lookup',
    table: 9,
    mark: 7,
    mask: 0xffffffff,
    invert: false,
    further: false,
  } as const;
  expect(kernelTakes({ ...rule, source: '10.0.0.0/8' }, rule)).toBe(true);
  expect(kernelTakes(rule, { ...rule, source: '10.0.0.0/8' })).toBe(false);
  expect(kernelTakes({ ...rule, priority: 6 }, rule)).toBe(false);
});
