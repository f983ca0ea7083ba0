// Documents of a small world, so that two of them have much in common.
import fc from 'fast-check';
import type { DesiredDocument, DesiredService } from '../../src/index.js';

const scheduler = fc.constantFrom('rr', 'wrr', 'wlc', 'lc');
const weight = fc.integer({ min: 0, max: 3 });
const persistence = fc.constantFrom(undefined, undefined, 300, { timeout: 60, netmask: 24 });

function servers(port: number) {
  const server = fc.record({
    address: fc.constantFrom('10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4'),
    port: fc.constant(port),
    weight,
    upperThreshold: fc.constantFrom(0, 0, 100),
  });
  return fc.uniqueArray(server, { maxLength: 4, selector: ({ address }) => address });
}

const byAddress = fc
  .record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    address: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'),
    port: fc.constantFrom(80, 53),
    scheduler,
    persistence,
    servers: servers(8080),
  })
  .map(({ servers: list, address, ...service }): DesiredService => {
    const ours = address.includes(':')
      ? list.map((one) => ({ ...one, address: `fd00::${one.address.slice(-1)}` }))
      : list;
    return { address, ...service, servers: ours };
  });

const byMark = fc.record({
  fwmark: fc.constantFrom(1, 2, 0xfffffffe),
  scheduler,
  servers: servers(0),
  marks: fc.constantFrom(
    undefined,
    [{ destination: '192.0.2.9', protocol: 'tcp' as const, port: 80 }],
    [{ destination: '192.0.2.8' }, { protocol: 'udp' as const, port: { from: 1000, to: 2000 } }],
  ),
});

const identity = (service: DesiredService): string =>
  service.fwmark === undefined ? `${service.protocol} ${service.address} ${service.port}` : String(service.fwmark);

const services = fc
  .uniqueArray(fc.oneof(byAddress, byMark as fc.Arbitrary<DesiredService>), { maxLength: 5, selector: identity })
  .map((list) => {
    // The same packets cannot have two marks.
    let marked = false;
    return list.map((service): DesiredService => {
      if (service.fwmark === undefined || !service.marks) return service;
      if (!marked) {
        marked = true;
        return service;
      }
      const { marks: _, ...rest } = service;
      return rest as DesiredService;
    });
  });

/** `interface`: one that is there. */
export function documents(owner: string, interfaceName: string): fc.Arbitrary<DesiredDocument> {
  const address = fc.constantFrom('198.51.100.1', '198.51.100.2', '198.51.100.3').map((plain) => ({
    interface: interfaceName,
    address: `${plain}/32`,
  }));
  return fc.record({
    owner: fc.constant(owner),
    services,
    addresses: fc.uniqueArray(address, { maxLength: 3, selector: (one) => one.address }),
    nat: fc.constantFrom(undefined, [{ type: 'masquerade' as const, source: '10.1.0.0/24' }]),
    timeouts: fc.constantFrom(undefined, { tcp: 7200 }, { tcp: 600, udp: 100 }),
    sysctls: fc.constantFrom(undefined, { 'net.ipv4.vs.conntrack': 1 }, { 'net.ipv4.ip_forward': true }),
  });
}
