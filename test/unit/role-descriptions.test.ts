// What a role is told wrong is refused before anything is opened, in words of the description.
import { describe, expect, test } from 'vitest';
import type {
  DirectDirectorRole,
  IngressRole,
  NatDirectorRole,
  NodeRole,
  RealServerRole,
  RoleDescription,
} from '../../src/index.js';
import { describe as describeRole } from '../../src/roles/descriptions.js';

const parts = (description: RoleDescription): unknown[] => describeRole(description, 'test');

function refusal(description: object): string {
  try {
    parts(description as RoleDescription);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
    return (error as Error).message;
  }
  return 'accepted';
}

describe('direct-director', () => {
  const role: DirectDirectorRole = {
    role: 'direct-director',
    vip: '192.168.1.100',
    mark: 80,
    interface: 'eth0',
    servers: ['192.168.1.101', '192.168.1.102'],
  };
  const servers = (description: DirectDirectorRole): unknown[] =>
    parts(description).flatMap((part) => {
      const { kind, server, service } = part as {
        kind: string;
        server: { address: string };
        service: { family: string };
      };
      return kind === 'server' ? [`${service.family} ${server.address}`] : [];
    });

  test('servers of each family are those of its service', () => {
    const both = { ...role, vip: ['192.168.1.100', 'fd00::100'], servers: ['fd00::1', '192.168.1.101', 'fd00::2'] };
    expect(servers(both)).toEqual(['ipv4 192.168.1.101', 'ipv6 fd00::1', 'ipv6 fd00::2']);
    const tunnel = { address: 'fd00::1', forwarding: 'tunnel' } as const;
    expect(servers({ ...role, servers: [tunnel] })).toEqual(['ipv4 fd00::1']);
  });

  test.each<[object, string]>([
    [{ servers: ['192.168.1.101', 'fd00::1'] }, 'servers[1]: the server fd00::1 is ipv6, and vip has no ipv6 address'],
    [{ vip: 'fd00::100' }, 'servers[0]: the server 192.168.1.101 is ipv4, and vip has no ipv4 address'],
    [{ servers: [{ address: 'fd00::1', forwarding: 'direct' }] }, 'servers[0]: the server fd00::1 is ipv6'],
    [
      { vip: ['192.168.1.100', 'fd00::100'], servers: ['fd00::1', '192.168.1.1', '192.168.1.1'] },
      'servers[2]: a server is named twice: 192.168.1.1:0 is servers[1], too',
    ],
    [
      { vip: ['192.168.1.100', 'fd00::100'], servers: ['fd00::1', { address: '192.168.1.1', weight: -1 }] },
      'servers[1]: the weight must be an integer',
    ],
    [{ servers: [{ address: '192.168.1.1', port: 80 }] }, 'servers[0]: a server of a direct-director has no port'],
    [{ servers: [{ adress: '192.168.1.1' }] }, 'servers[0]: the address of a server must be an IPv4 or IPv6 address'],
    [{ servers: [null] }, 'servers[0]: a server must be an address, or an object with one, not null'],
    [{ table: 100 }, '(interface), or else which routing table takes their packets (table); both are named'],
    [{ interface: undefined }, 'neither is named'],
    [{ interface: undefined, table: 254 }, "table is not 253 to 255, which are the kernel's own"],
    [{ vip: [] }, 'vip is an address, or a list of at least one, not []'],
    [{ vip: ['192.168.1.100', 'here'] }, 'vip[1] must be an IPv4 or IPv6 address'],
    [{ ports: [] }, 'ports is a list of at least one; left out: everything for the vip'],
    [{ ports: [{ protocol: 'icmp', port: 1 }] }, 'ports[0]: protocol must be one of tcp, udp, sctp; not "icmp"'],
    [
      {
        ports: [
          { protocol: 'tcp', port: 80 },
          { protocol: 'udp', port: 80 },
          { protocol: 'tcp', port: 80 },
        ],
      },
      'ports[2]: tcp port 80 is named twice: it is ports[0], too',
    ],
  ])('%j', (changes, text) => {
    expect(refusal({ ...role, ...changes })).toContain(text);
  });
});

describe('ingress', () => {
  const web = {
    mark: 258,
    vip: '10.0.0.15',
    ports: [{ protocol: 'tcp', port: 9090 }],
    servers: ['10.0.0.20'],
  } as const;
  const api = { mark: 259, ports: [{ protocol: 'tcp', port: 8000 }], servers: ['10.0.0.21'] } as const;
  const role: IngressRole = {
    role: 'ingress',
    interface: 'overlay',
    network: '10.0.0.0/24',
    source: '10.0.0.2',
    services: [web, api],
  };

  test('one that is right', () => {
    expect(parts(role).length).toBeGreaterThan(5);
  });

  test.each<[object, string]>([
    [
      { services: [web, api, { ...api, mark: 260 }] },
      'two services publish tcp port 8000: services[1] and services[2]',
    ],
    [{ services: [web, { ...web, mark: 260, ports: [] }] }, 'two services have the vip 10.0.0.15: services[0] and'],
    [{ services: [web, { ...api, mark: 258 }] }, 'two services are FWM 258: services[0] and services[1]'],
    [{ services: [{ ...api, ports: [...api.ports, ...api.ports] }] }, 'services[0].ports[1]: tcp port 8000 is named'],
    [{ services: [{ ...api, ports: [] }] }, 'services[0]: a service has ports, a vip, or both; this one has neither'],
    [
      { services: [{ ...api, servers: ['10.0.0.21', '10.0.0.21'] }] },
      'services[0].servers[1]: a server is named twice',
    ],
    [
      { services: [{ ...api, servers: [{ address: '10.0.0.21', port: 80 }] }] },
      'services[0].servers[0]: a server of an',
    ],
    [{ network: '10.0.0.0/33' }, 'the prefix length of network must be an integer from 0 to 32, not 33'],
    [{ network: 'fd00::/64' }, 'network must be an IPv4 prefix such as 10.0.0.0/24, not fd00::/64'],
    [{ source: 'fd00::1' }, 'source must be an IPv4 address, not fd00::1'],
  ])('%j', (changes, text) => {
    expect(refusal({ ...role, ...changes })).toContain(text);
  });
});

describe('nat-director', () => {
  const service = { protocol: 'tcp', address: '192.168.1.100', port: 80 } as const;
  const one = { service, servers: [{ address: '10.0.0.1', port: 8080 }] };
  const role: NatDirectorRole = { role: 'nat-director', services: [one] };

  test.each<[object, string]>([
    [[one, one], 'two services are TCP 192.168.1.100:80: services[0] and services[1]'],
    [[{ service: 'web', servers: [] }], 'its service is "web"'],
    [[{ service: { fwmark: 7 }, servers: [] }], 'not by a mark: this one has no address'],
    [
      [{ service, servers: [...one.servers, { address: '10.0.0.2', forwarding: 'direct' }] }],
      'services[0].servers[1]: ',
    ],
    [[{ service, servers: [null] }], 'services[0].servers[0]: a real server must be an object, not null'],
  ])('%j', (services, text) => {
    expect(refusal({ ...role, services })).toContain(text);
  });
});

describe('node', () => {
  const web = { protocol: 'tcp', clusterAddress: '10.96.0.10', port: 80, servers: [] } as const;
  const role: NodeRole = {
    role: 'node',
    nodeAddresses: ['192.168.5.1'],
    clusterNetwork: '10.2.0.0/16',
    services: [web],
  };

  test.each<[object, string]>([
    [{ clusterNetwork: [] }, 'clusterNetwork is a prefix such as 10.2.0.0/16, or a list of at least one'],
    [{ clusterNetwork: '10.2.0.1/16' }, 'clusterNetwork "10.2.0.1/16" has bits after its prefix'],
    [{ services: [{ ...web, externalAddresses: ['fd05::9'] }] }, '10.96.0.10 is ipv4, fd05::9 is not'],
    [{ services: [{ ...web, externalAddresses: [web.clusterAddress] }] }, 'services[0]: two of its services are TCP'],
    [{ services: [{ ...web, nodePort: 30080 }], nodeAddresses: ['fd05::1'] }, 'nodeAddresses is to name one'],
  ])('%j', (changes, text) => {
    expect(refusal({ ...role, ...changes })).toContain(text);
  });
});

test('real-server: the tunnel', () => {
  const role: RealServerRole = { role: 'real-server', vip: '192.168.1.100', interface: 'eth0' };
  const tunnel = { type: 'ipip', local: '192.168.1.101' };
  expect(refusal({ ...role, tunnel: { ...tunnel, local: 'fd00::1' } })).toContain('not fd00::1');
  expect(refusal({ ...role, tunnel: { ...tunnel, port: 5 } })).toContain('port is an option of a tunnel of type gue');
  expect(refusal({ ...role, tunnel: { ...tunnel, local: ['192.168.1.101'] } })).toContain(
    'local must be an IPv4 or IPv6',
  );
});
