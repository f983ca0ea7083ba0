import { z } from 'zod';
import { didYouMean } from '../../common/did-you-mean.js';
import { shorten } from '../../common/show.js';

/** Returns the schema of an object with these options and no others. */
export function object<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const keys = issue.keys as string[];
      const shown = keys.slice(0, 10).map((key) => shorten(key, 50));
      return `no option ${shown.join(', ')}${keys.length > 10 ? ', ...' : ''}; there are ${Object.keys(shape).join(', ')}${didYouMean(keys.length === 1 ? (keys[0] ?? '') : '', Object.keys(shape))}`;
    },
  });
}

/** Returns the error of a union whose alternatives differ in one property with these values. */
export function oneOf(...values: readonly string[]) {
  return {
    error: (issue: { readonly code?: string }) =>
      issue.code === 'invalid_union' ? `one of ${values.join(', ')} is expected` : undefined,
  };
}

export const address = z.string().min(2).max(64);
export const port = z.int().min(1).max(65535);
export const mark = z.int().min(0).max(0xffffffff);
/** Name of an existing interface: alternative names have up to 127 bytes. */
export const interfaceName = z.string().min(1).max(127);
export const newInterfaceName = z.string().min(1).max(15);
export const family = z.enum(['ipv4', 'ipv6']);
export const protocol = z.enum(['tcp', 'udp', 'sctp']);
export const forwarding = z.enum(['nat', 'direct', 'tunnel']).describe('Default: nat.');

export const tunnel = object({
  type: z.enum(['ipip', 'gue', 'gre']).describe('Default: ipip.').optional(),
  port: port.describe('UDP port of GUE.').optional(),
  checksum: z.enum(['none', 'checksum', 'remote']).describe('Default: none.').optional(),
});

export const schedulerFlags = z.array(
  z.enum(['flag-1', 'flag-2', 'flag-3', 'sh-fallback', 'sh-port', 'mh-fallback', 'mh-port']),
);

/** Range of the kernel, in seconds, so that a saved table is a document. */
const persistenceTimeout = z.int().min(0).max(42_949_672);

export const persistence = z
  .union([
    z.boolean(),
    persistenceTimeout,
    object({
      timeout: persistenceTimeout.describe('Seconds. Default: 300.').optional(),
      netmask: z
        .union([z.int().min(0).max(128), z.string()])
        .describe(
          'Clients with the same network stay on the same server. Default: each client individually; 0 or 0.0.0.0: all of IPv4.',
        )
        .optional(),
      engine: z.string().nullable().describe('Persistence engine; sip uses the Call-ID. Default: none.').optional(),
    }),
  ])
  .describe('A client stays on its server: true, seconds, or more. Default: false.');

export const drain = object({
  timeout: z
    .int()
    .min(0)
    .max(2_147_483)
    .describe('Seconds after which a removed server is deleted in any case; 0: immediately.'),
});
