import { z } from 'zod';
import type { RoleDescription } from '../../roles/descriptions.js';
import {
  address,
  family,
  forwarding,
  interfaceName,
  newInterfaceName,
  object,
  oneOf,
  persistence,
  port,
  protocol,
  schedulerFlags,
  tunnel,
} from './schema-parts.js';

const ports = z.array(object({ protocol, port }));
const addresses = z.union([address, z.array(address)]);
const scheduler = z.string().min(1).max(15);
const serviceMark = z.int().min(1).max(0xffffffff);
const weights = {
  weight: z.int().min(0).max(0x7fffffff).optional(),
  upperThreshold: z.int().min(0).max(0x7fffffff).optional(),
  lowerThreshold: z.int().min(0).max(0x7fffffff).optional(),
};
const scheduling = {
  scheduler: scheduler.optional(),
  schedulerFlags: schedulerFlags.optional(),
  persistence: persistence.optional(),
};

const directDirector = object({
  role: z.literal('direct-director'),
  vip: addresses,
  mark: serviceMark,
  ports: ports.optional(),
  interface: interfaceName.optional(),
  table: z.int().min(1).max(0xffffffff).optional(),
  servers: z.array(
    z.union([
      address,
      object({
        address,
        forwarding: z.enum(['direct', 'tunnel']).optional(),
        tunnel: tunnel.optional(),
        ...weights,
      }),
    ]),
  ),
  ...scheduling,
});

const realServer = object({
  role: z.literal('real-server'),
  vip: addresses,
  interface: interfaceName,
  device: newInterfaceName.optional(),
  tunnel: object({
    type: z.enum(['ipip', 'gre', 'gue']),
    local: address,
    port: port.optional(),
    name: newInterfaceName.optional(),
  }).optional(),
  segmentSize: z.int().min(88).max(65535).optional(),
});

const natServer = object({
  address,
  port: z.int().min(0).max(65535).optional(),
  forwarding: forwarding.optional(),
  tunnel: tunnel.optional(),
  ...weights,
});

const natDirector = object({
  role: z.literal('nat-director'),
  services: z.array(
    object({
      service: z.union([
        object({
          protocol,
          address,
          port: z.int().min(0).max(65535),
          family: family.optional(),
          onePacket: z.boolean().optional(),
          ...scheduling,
        }),
        object({
          fwmark: serviceMark,
          family: family.optional(),
          onePacket: z.boolean().optional(),
          ...scheduling,
        }),
      ]),
      servers: z.array(natServer),
    }),
  ),
  interface: interfaceName.optional(),
  masquerade: z.boolean().optional(),
  masqueradeMark: serviceMark.optional(),
});

const ingress = object({
  role: z.literal('ingress'),
  interface: interfaceName,
  network: address,
  source: address,
  services: z.array(
    object({
      mark: serviceMark,
      vip: address.optional(),
      ports: ports.optional(),
      scheduler: scheduler.optional(),
      servers: z.array(z.union([address, object({ address, tunnel: tunnel.optional(), ...weights })])),
    }),
  ),
});

const policy = z.enum(['cluster', 'local']);
const node = object({
  role: z.literal('node'),
  nodeAddresses: z.array(address),
  clusterNetwork: addresses,
  services: z.array(
    object({
      protocol,
      clusterAddress: address,
      port,
      externalAddresses: z.array(address).optional(),
      nodePort: port.optional(),
      sessionAffinity: z.int().min(1).max(2_678_400).optional(),
      externalTrafficPolicy: policy.optional(),
      internalTrafficPolicy: policy.optional(),
      servers: z.array(
        object({
          address,
          port,
          local: z.boolean().optional(),
          weight: z.int().min(0).max(0x7fffffff).optional(),
        }),
      ),
      scheduler: scheduler.optional(),
      schedulerFlags: schedulerFlags.optional(),
    }),
  ),
  device: newInterfaceName.optional(),
  masqueradeMark: serviceMark.optional(),
  strictArp: z.boolean().optional(),
});

export const roleSchema: z.ZodType<RoleDescription> = z.discriminatedUnion(
  'role',
  [directDirector, realServer, natDirector, ingress, node],
  oneOf('direct-director', 'real-server', 'nat-director', 'ingress', 'node'),
);
