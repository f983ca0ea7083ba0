import { z } from 'zod';
import { didYouMean } from '../../common/did-you-mean.js';
import { type Range, ranges } from '../../common/ranges.js';
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

/** Returns the schema of an integer of a range. */
export function integer({ least, most }: Range) {
  return z.int().min(least).max(most);
}

export const address = z.string().min(2).max(64);
export const port = integer(ranges.port);
export const mark = integer(ranges.mark);
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

/** Returns the schema of persistence. A saved table may hold timeouts that a new service may not have. */
function persistenceOf(timeout: Range) {
  return z
    .union([
      z.boolean(),
      integer(timeout),
      object({
        timeout: integer(timeout).describe('Seconds. Default: 300.').optional(),
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
}

export const newPersistence = persistenceOf(ranges.persistence);
export const heldPersistence = persistenceOf(ranges.heldPersistence);

export const drain = object({
  timeout: integer(ranges.drain).describe(
    'Seconds after which a removed server is deleted in any case; 0: immediately.',
  ),
});
