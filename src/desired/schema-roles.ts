import { z } from 'zod';
import type { RoleDescription } from '../roles/descriptions.js';
import {
  address,
  family,
  forwarding,
  interfaceName,
  persistence,
  port,
  protocol,
  schedulerFlags,
  tunnel,
} from './schema-parts.js';

const ports = z.array(z.strictObject({ protocol, port }));
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

const directDirector = z.strictObject({
  role: z.literal('direct-director'),
  vip: addresses,
  mark: serviceMark,
  ports: ports.optional(),
  interface: interfaceName.optional(),
  table: z.int().min(1).max(0xffffffff).optional(),
  servers: z.array(
    z.union([
      address,
      z.strictObject({
        address,
        forwarding: z.enum(['direct', 'tunnel']).optional(),
        tunnel: tunnel.optional(),
        ...weights,
      }),
    ]),
  ),
  ...scheduling,
});

const realServer = z.strictObject({
  role: z.literal('real-server'),
  vip: addresses,
  interface: interfaceName,
  device: interfaceName.optional(),
  tunnel: z
    .strictObject({
      type: z.enum(['ipip', 'gre', 'gue']),
      local: address,
      port: port.optional(),
      name: interfaceName.optional(),
    })
    .optional(),
  segmentSize: z.int().min(88).max(65535).optional(),
});

const natServer = z.strictObject({
  address,
  port: z.int().min(0).max(65535).optional(),
  forwarding: forwarding.optional(),
  tunnel: tunnel.optional(),
  ...weights,
});

const natDirector = z.strictObject({
  role: z.literal('nat-director'),
  services: z.array(
    z.strictObject({
      service: z.union([
        z.strictObject({
          protocol,
          address,
          port: z.int().min(0).max(65535),
          family: family.optional(),
          onePacket: z.boolean().optional(),
          ...scheduling,
        }),
        z.strictObject({
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

const ingress = z.strictObject({
  role: z.literal('ingress'),
  interface: interfaceName,
  network: address,
  source: address,
  services: z.array(
    z.strictObject({
      mark: serviceMark,
      vip: address.optional(),
      ports: ports.optional(),
      scheduler: scheduler.optional(),
      servers: z.array(z.union([address, z.strictObject({ address, tunnel: tunnel.optional(), ...weights })])),
    }),
  ),
});

const policy = z.enum(['cluster', 'local']);
const node = z.strictObject({
  role: z.literal('node'),
  nodeAddresses: z.array(address),
  clusterNetwork: addresses,
  services: z.array(
    z.strictObject({
      protocol,
      clusterAddress: address,
      port,
      externalAddresses: z.array(address).optional(),
      nodePort: port.optional(),
      sessionAffinity: z.int().min(1).max(2_678_400).optional(),
      externalTrafficPolicy: policy.optional(),
      internalTrafficPolicy: policy.optional(),
      servers: z.array(
        z.strictObject({
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
  device: interfaceName.optional(),
  masqueradeMark: serviceMark.optional(),
  strictArp: z.boolean().optional(),
});

export const roleSchema: z.ZodType<RoleDescription> = z.discriminatedUnion('role', [
  directDirector,
  realServer,
  natDirector,
  ingress,
  node,
]);
