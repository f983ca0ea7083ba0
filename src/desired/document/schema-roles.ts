import { z } from 'zod';
import { ranges } from '../../common/ranges.js';
import type { RoleDescription } from '../../roles/descriptions.js';
import {
  address,
  family,
  integer,
  interfaceName,
  newInterfaceName,
  newPersistence,
  object,
  oneOf,
  port,
  protocol,
  schedulerFlags,
  tunnel,
} from './schema-parts.js';

const ports = z.array(object({ protocol, port }));
const addresses = z.union([address, z.array(address)]);
const scheduler = z.string().min(1).max(15);
const serviceMark = integer(ranges.serviceMark);
const weights = {
  weight: integer(ranges.weight).optional(),
  upperThreshold: integer(ranges.threshold).optional(),
  lowerThreshold: integer(ranges.threshold).optional(),
};
const scheduling = {
  scheduler: scheduler.optional(),
  schedulerFlags: schedulerFlags.optional(),
  persistence: newPersistence.optional(),
};

const directDirector = object({
  role: z.literal('direct-director'),
  vip: addresses,
  mark: serviceMark,
  ports: ports.optional(),
  interface: interfaceName.optional(),
  table: integer(ranges.table).optional(),
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
  segmentSize: integer(ranges.segmentSize).optional(),
});

const natServer = object({
  address,
  port: integer(ranges.anyPort).optional(),
  forwarding: z.enum(['nat']).optional(),
  ...weights,
});

const natDirector = object({
  role: z.literal('nat-director'),
  services: z.array(
    object({
      service: object({
        protocol,
        address,
        port: integer(ranges.anyPort),
        family: family.optional(),
        onePacket: z.boolean().optional(),
        ...scheduling,
      }),
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
      servers: z.array(z.union([address, object({ address, ...weights })])),
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
      sessionAffinity: integer(ranges.persistence).optional(),
      externalTrafficPolicy: policy.optional(),
      internalTrafficPolicy: policy.optional(),
      servers: z.array(
        object({
          address,
          port,
          local: z.boolean().optional(),
          weight: integer(ranges.weight).optional(),
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
