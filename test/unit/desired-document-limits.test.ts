// The schema of documents and the checks of the library accept the same numbers and names.
import { describe, expect, test } from 'vitest';
import { targetOf } from '../../src/desired/document/document.js';
import { checkStructure, documentJsonSchema } from '../../src/desired/document/schema.js';
import type { DesiredDocument } from '../../src/index.js';

/** Documents that have every field with a number or a vocabulary. Each number may have both ends of its range. */
const most = 0x7fffffff;
const weights = { weight: 1, upperThreshold: most, lowerThreshold: 0 };
const persistence = { timeout: 300, netmask: 64 };
const ports = [{ protocol: 'tcp', port: 80 }];
const match = { family: 'ipv4', protocol: 'tcp', port: 80, mark: { mark: 0, mask: 0xffffffff } };
const documents: readonly object[] = [
  {
    owner: 'shop',
    services: [
      {
        fwmark: 1,
        family: 'ipv6',
        marks: [
          { family: 'ipv6', protocol: 'tcp', port: 80, hook: 'input' },
          { protocol: 'tcp', port: { from: 1, to: 65535 }, mask: 0xffffffff },
        ],
        scheduler: 'sh',
        schedulerFlags: ['sh-port'],
        persistence,
        servers: [{ address: '2001:db8::1', port: 80, forwarding: 'nat', ...weights }],
        sorryServer: { address: '2001:db8::2', port: 81, forwarding: 'nat', ...weights },
        drain: { timeout: 1 },
      },
      {
        protocol: 'tcp',
        address: '2001:db8::8',
        port: 80,
        family: 'ipv6',
        scheduler: 'sh',
        schedulerFlags: ['sh-port'],
        persistence,
        servers: [
          { address: '2001:db8::3', forwarding: 'tunnel', tunnel: { type: 'gue', port: 5555, checksum: 'none' } },
          { address: '2001:db8::4', port: 80, forwarding: 'nat', ...weights },
        ],
        sorryServer: {
          address: '2001:db8::5',
          forwarding: 'tunnel',
          tunnel: { type: 'gue', port: 1, checksum: 'none' },
        },
        drain: { timeout: 1 },
      },
      { protocol: 'tcp', address: '10.0.0.1', port: 80, persistence: 300 },
      { fwmark: 2, persistence: 300, sorryServer: { address: '10.0.0.2', port: 80, forwarding: 'nat', ...weights } },
      {
        protocol: 'tcp',
        address: '10.0.0.9',
        port: 80,
        sorryServer: { address: '10.0.0.3', port: 80, forwarding: 'nat', ...weights },
      },
    ],
    marks: [
      { mark: 0, protocol: 'tcp', port: 80, family: 'ipv4', hook: 'output' },
      { mark: 0, mask: 0xffffffff, protocol: 'tcp', port: { from: 1, to: 65535 } },
    ],
    nat: [
      { type: 'masquerade', hook: 'postrouting', ...match },
      { type: 'masquerade', mark: 1 },
      { type: 'masquerade', protocol: 'tcp', port: { from: 1, to: 65535 } },
      { type: 'snat', to: '10.0.0.1', hook: 'input', ...match },
      { type: 'snat', to: '10.0.0.1', mark: 1 },
      { type: 'snat', to: '10.0.0.1', protocol: 'tcp', port: { from: 1, to: 65535 } },
      { type: 'dnat', to: '10.0.0.1', toPort: 80, hook: 'output', ...match },
      { type: 'dnat', to: '10.0.0.1', mark: 1 },
      { type: 'dnat', to: '10.0.0.1', protocol: 'tcp', port: { from: 1, to: 65535 } },
      { type: 'redirect', toPort: 80, hook: 'output', ...match },
      { type: 'redirect', toPort: 80, protocol: 'tcp', port: { from: 1, to: 65535 }, mark: 1 },
      { type: 'clamp-mss', size: 1400, hook: 'output', ...match },
      { type: 'clamp-mss', size: 1400, protocol: 'tcp', port: { from: 1, to: 65535 }, mark: 1 },
    ],
    drain: { timeout: 1 },
    timeouts: { tcp: 1, tcpFin: 1, udp: 1 },
    sysctls: { 'net.ipv4.vs.drop_entry': 1 },
  },
  ...[persistence, 300].map((persistence) => ({
    owner: 'roles',
    roles: [
      {
        role: 'direct-director',
        vip: '2001:db8::9',
        mark: 1,
        ports,
        table: 100,
        scheduler: 'sh',
        schedulerFlags: ['sh-port'],
        persistence,
        servers: [
          { address: '2001:db8::1', forwarding: 'direct', ...weights },
          { address: '2001:db8::2', forwarding: 'tunnel', tunnel: { type: 'gue', port: 5555, checksum: 'none' } },
        ],
      },
      {
        role: 'nat-director',
        masqueradeMark: 1,
        masquerade: true,
        services: [
          {
            service: {
              protocol: 'tcp',
              address: '2001:db8::a',
              port: 80,
              family: 'ipv6',
              scheduler: 'sh',
              schedulerFlags: ['sh-port'],
              persistence,
            },
            servers: [{ address: '2001:db8::3', port: 80, forwarding: 'nat', ...weights }],
          },
        ],
      },
    ],
  })),
  {
    owner: 'real-server',
    roles: [
      {
        role: 'real-server',
        vip: '10.0.0.1',
        interface: 'eth0',
        tunnel: { type: 'gue', local: '10.0.0.2', port: 5555 },
        segmentSize: 1400,
      },
    ],
  },
  {
    owner: 'ingress',
    roles: [
      {
        role: 'ingress',
        interface: 'eth0',
        network: '10.0.0.0/24',
        source: '10.0.0.2',
        services: [{ mark: 1, ports, servers: [{ address: '10.0.0.3', ...weights }] }],
      },
    ],
  },
  {
    owner: 'node',
    roles: [
      {
        role: 'node',
        nodeAddresses: ['10.0.0.1'],
        clusterNetwork: '10.2.0.0/16',
        masqueradeMark: 1,
        services: [
          {
            protocol: 'tcp',
            clusterAddress: '10.96.0.1',
            port: 80,
            nodePort: 30080,
            sessionAffinity: 300,
            externalTrafficPolicy: 'local',
            internalTrafficPolicy: 'local',
            scheduler: 'sh',
            schedulerFlags: ['sh-port'],
            servers: [{ address: '10.2.0.1', port: 80, weight: 1 }],
          },
        ],
      },
    ],
  },
];

/** Numbers of a field for which the check depends on another field; the schema knows only one of them. */
const exceptions: readonly (readonly [field: RegExp, value: number])[] = [
  [/\.netmask$/, 0], // for IPv4 only
];

interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
}

interface Field {
  readonly path: string;
  readonly node: Node;
}

/** Returns the fields of a schema with a range or a vocabulary. A role and a rule are named by their kinds. */
function fieldsOf(node: Node, path: string): Field[] {
  const alternatives = node.anyOf ?? node.oneOf;
  if (alternatives) return alternatives.flatMap((one) => fieldsOf(one, path));
  if (node.type === 'integer' || node.enum) return [{ path, node }];
  if (node.items) return fieldsOf(node.items, `${path}[]`);
  const { properties = {}, additionalProperties } = node;
  const kind = properties.role?.const ?? properties.type?.const;
  const place = kind === undefined ? path : `${path}<${String(kind)}>`;
  return [
    ...Object.entries(properties).flatMap(([name, one]) => fieldsOf(one, `${place}.${name}`)),
    ...(typeof additionalProperties === 'object' ? fieldsOf(additionalProperties, `${place}.*`) : []),
  ];
}

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

interface Leaf {
  readonly path: string;
  /** Returns the document with another value at this place. */
  readonly put: (value: Json) => Json;
}

function leavesOf(value: Json, path: string, put: (value: Json) => Json): Leaf[] {
  if (Array.isArray(value))
    return value.flatMap((one, index) => leavesOf(one, `${path}[]`, (other) => put(value.with(index, other))));
  if (typeof value !== 'object' || value === null) return [{ path, put }];
  const kind = value.role ?? (path === '.nat[]' ? value.type : undefined);
  const place = kind === undefined ? path : `${path}<${String(kind)}>`;
  return Object.entries(value).flatMap(([name, one]) =>
    leavesOf(one, path === '.sysctls' ? `${place}.*` : `${place}.${name}`, (other) => put({ ...value, [name]: other })),
  );
}

const fields = fieldsOf(documentJsonSchema() as Node, '');
const leaves = documents.flatMap((document) => leavesOf(document as Json, '', (value) => value));

/** Returns the answers of the schema and of the checks. */
async function answers(document: Json): Promise<{ readonly schema: boolean; readonly check: boolean }> {
  let check = true;
  try {
    await targetOf(document as unknown as DesiredDocument);
  } catch {
    check = false;
  }
  return { schema: 'document' in (await checkStructure(document)), check };
}

test('the documents of this test are accepted', async () => {
  for (const document of documents) {
    expect(await checkStructure(document)).not.toHaveProperty('problems');
    await targetOf(document as DesiredDocument);
  }
});

describe('the schema and the checks agree', () => {
  test.each([...new Set(fields.map(({ path }) => path))])('about %s', async (path) => {
    const own = leaves.filter((leaf) => leaf.path === path);
    expect(own.length, 'a document of this test has the field').toBeGreaterThan(0);
    for (const { node } of fields.filter((field) => field.path === path)) {
      const { minimum: least = 0, maximum: most = 0 } = node;
      const numbers = [least - 1, least, most, most + 1];
      const values: Json[] = node.type === 'integer' ? numbers : ['unknown'];
      for (const value of values) {
        if (exceptions.some(([field, number]) => field.test(path) && number === value)) continue;
        for (const { put } of own) {
          const { schema, check } = await answers(put(value));
          expect(check, `${path} = ${value}, as the schema has it`).toBe(schema);
        }
      }
    }
  });
});
