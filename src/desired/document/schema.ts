import { z } from 'zod';
import { show } from '../../common/check.js';
import { ranges } from '../../common/ranges.js';
import { forEachInSlices } from '../../common/slices.js';
import { ownerPattern } from './owner-name.js';
import {
  address,
  drain,
  family,
  forwarding,
  heldPersistence,
  integer,
  interfaceName,
  mark,
  object,
  oneOf,
  port,
  protocol,
  schedulerFlags,
  tunnel,
} from './schema-parts.js';
import { roleSchema } from './schema-roles.js';
import type { DesiredAddress, DesiredDocument, DesiredService } from './types.js';

const portRange = object({ from: port, to: port });
const portProtocol = z.enum(['tcp', 'udp', 'sctp', 'dccp', 'udplite']);

const match = {
  family: family.optional(),
  source: address.describe('An address or a prefix.').optional(),
  destination: address.describe('An address or a prefix.').optional(),
  protocol: portProtocol.optional(),
  port: z.union([port, portRange]).describe('Destination port. Requires a protocol.').optional(),
  inputInterface: interfaceName.optional(),
  outputInterface: interfaceName.optional(),
  local: z.boolean().describe('True: only packets to an address of this namespace; false: only others.').optional(),
};

const packets = {
  ...match,
  hook: z.enum(['prerouting', 'input', 'output']).describe('Hook that sets the mark. Default: prerouting.').optional(),
  mask: integer(ranges.mask).describe('Bits of the mark that are set. Default: all.').optional(),
};

const ruleMatch = {
  ...match,
  mark: z
    .union([mark, object({ mark, mask: integer(ranges.mask).optional() })])
    .describe('Mark of the packet, or some of its bits.')
    .optional(),
};

const rule = z.discriminatedUnion(
  'type',
  [
    object({ type: z.literal('masquerade'), hook: z.literal('postrouting').optional(), ...ruleMatch }),
    object({
      type: z.literal('snat'),
      to: address,
      hook: z.enum(['postrouting', 'input']).optional(),
      ...ruleMatch,
    }),
    object({
      type: z.literal('dnat'),
      to: address,
      toPort: port.optional(),
      hook: z.enum(['prerouting', 'output']).optional(),
      ...ruleMatch,
    }),
    object({
      type: z.literal('redirect'),
      toPort: port,
      hook: z.enum(['prerouting', 'output']).optional(),
      ...ruleMatch,
    }),
    object({
      type: z.literal('clamp-mss'),
      size: z.union([integer(ranges.segmentSize), z.literal('path')]),
      hook: z.enum(['forward', 'output', 'postrouting']).optional(),
      ...ruleMatch,
    }),
  ],
  oneOf('masquerade', 'snat', 'dnat', 'redirect', 'clamp-mss'),
);

const server = object({
  address,
  port: integer(ranges.anyPort)
    .describe('Default: the port of the service. With a service by mark: 0, which keeps the port of the packet.')
    .optional(),
  forwarding: forwarding.optional(),
  tunnel: tunnel.optional(),
  weight: integer(ranges.weight).describe('Default: 1. 0: no new connections.').optional(),
  upperThreshold: integer(ranges.threshold)
    .describe('Number of connections above which the server gets no new ones. Default: 0, no limit.')
    .optional(),
  lowerThreshold: integer(ranges.threshold)
    .describe(
      'Number of connections below which it gets new ones again. Default: 0, three quarters of the upper threshold.',
    )
    .optional(),
});
const anyServer = z.union([address, server]);

const serviceCommon = {
  scheduler: z.string().min(1).max(15).describe('rr, wrr, lc, wlc, sh, mh, ... Default: wlc.').optional(),
  schedulerFlags: schedulerFlags.optional(),
  persistence: heldPersistence.optional(),
  onePacket: z.boolean().describe('Schedules each packet individually (UDP). Default: false.').optional(),
  servers: z.array(anyServer).describe('Default: none.').optional(),
  sorryServer: anyServer.describe('Takes connections while no other server does.').optional(),
  drain: drain.describe('How removed servers leave. Default: as the document says.').optional(),
  shared: z
    .boolean()
    .describe(
      'True: another owner or program may have made the service; only own servers are added and removed. Default: false.',
    )
    .optional(),
};

const service: z.ZodType<DesiredService> = z.union(
  [
    object({
      fwmark: integer(ranges.serviceMark),
      family: family.describe('Address family of the packets. Default: ipv4.').optional(),
      marks: z
        .array(object(packets))
        .describe('Packets that get the mark. Default: none, another program marks them.')
        .optional(),
      ...serviceCommon,
    }),
    object({
      protocol,
      address,
      port: integer(ranges.anyPort).describe('0: every port; requires persistence.'),
      family: family.optional(),
      ...serviceCommon,
    }),
  ],
  { error: 'a service has a fwmark, or a protocol, an address and a port' },
);

const desiredAddress: z.ZodType<DesiredAddress> = object({
  interface: interfaceName,
  address: address.describe('Address with prefix length. Default length: 32, or 128 for IPv6.'),
  announce: z
    .boolean()
    .describe('Announces the address to the neighbours (gratuitous ARP). Default: false.')
    .optional(),
});

const seconds = integer(ranges.timeout);

/** Schema of the structure of a document; `CheckedDocument` checks its meaning. */
export const documentSchema: z.ZodType<DesiredDocument> = object({
  owner: z
    .string()
    .regex(ownerPattern, 'a name of 1 to 48 letters, digits, "_", "." and "-" is expected')
    .describe('Name of the owner. Objects made under this name that the document lacks are deleted.'),
  namespace: z
    .string()
    .min(1)
    .describe('Network namespace: a name as in "ip netns", or a path. Default: that of the process.')
    .optional(),
  roles: z.array(roleSchema).describe('Roles of the machine in a load balancer.').optional(),
  services: z.array(service).describe('Virtual services.').optional(),
  addresses: z.array(desiredAddress).optional(),
  marks: z
    .array(object({ mark, ...packets }))
    .describe('Marks that belong to no service of this document.')
    .optional(),
  nat: z.array(rule).describe('NAT rules, and rules that limit the segment size of TCP.').optional(),
  drain: drain.describe('How removed servers leave. Default: immediately.').optional(),
  timeouts: object({ tcp: seconds.optional(), tcpFin: seconds.optional(), udp: seconds.optional() })
    .describe('Timeouts in seconds, for all services of the namespace.')
    .optional(),
  sysctls: z
    .record(z.string(), z.union([z.string(), z.int(), z.boolean()]))
    .describe('Kernel settings such as net.ipv4.vs.conntrack: 1. Restored when no longer wanted.')
    .optional(),
}).describe('Everything that one owner wants of one network namespace.');

/** Returns the schema as JSON Schema (draft 2020-12), for editors and other languages. */
export function documentJsonSchema(): object {
  return z.toJSONSchema(documentSchema, { target: 'draft-2020-12' });
}

/** Maximum number of problems that a message lists. */
const SHOWN_PROBLEMS = 50;

/**
 * Returns the document, or each problem with its place: `services[0].servers[1].weight: ...`. Lets the event loop turn
 * between services.
 * @throws the reason of the signal
 */
export async function checkStructure(
  value: unknown,
  signal?: AbortSignal,
): Promise<{ readonly document: DesiredDocument } | { readonly problems: string[] }> {
  // zod omits this name from a record without an error.
  if (hasOwnName(value, 'sysctls') && hasOwnName(value.sysctls, '__proto__'))
    return { problems: ['sysctls: a name is net.ipv4.ip_forward, or net/ipv4/ip_forward, not "__proto__"'] };
  const result = await parseInSlices(value, signal);
  if ('document' in result) return result;
  const { issues } = result;
  const problems = issues
    .slice(0, SHOWN_PROBLEMS)
    .flatMap((issue) => issueProblems(issue, []))
    .map(({ path, reason }) => `${pathText(path)}${reason}`);
  const more = issues.length - SHOWN_PROBLEMS;
  return { problems: more > 0 ? [...problems, `and ${more} more problems`] : problems };
}

/** Does what `documentSchema.safeParse` does, but checks each service individually. The order of issues is the same. */
async function parseInSlices(
  value: unknown,
  signal: AbortSignal | undefined,
): Promise<{ readonly document: DesiredDocument } | { readonly issues: Issues }> {
  const given = hasOwnName(value, 'services') && Array.isArray(value.services) ? value.services : undefined;
  const whole = documentSchema.safeParse(given ? { ...(value as object), services: [] } : value, { reportInput: true });
  const services: DesiredService[] = [];
  const issues: z.core.$ZodIssue[] = [];
  const check = (one: unknown, index: number): void => {
    const result = service.safeParse(one, { reportInput: true });
    if (result.success) services.push(result.data);
    else for (const issue of result.error.issues) issues.push({ ...issue, path: ['services', index, ...issue.path] });
  };
  await forEachInSlices(given ?? [], check, signal);
  if (whole.success && issues.length === 0) return { document: given ? { ...whole.data, services } : whole.data };
  const isEarlier = ({ path: [name] }: z.core.$ZodIssue): boolean => before.includes(String(name));
  const others = whole.success ? [] : whole.error.issues;
  return { issues: [...others.filter(isEarlier), ...issues, ...others.filter((issue) => !isEarlier(issue))] };
}

/** Parts of a document that are checked before its services. */
const before: readonly string[] = ['owner', 'namespace', 'roles'];

function hasOwnName<Name extends string>(value: unknown, name: Name): value is { readonly [N in Name]: unknown } {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name);
}

/** A problem, and its place in the document. */
interface Problem {
  readonly path: readonly PropertyKey[];
  readonly reason: string;
}

function issueProblems(issue: z.core.$ZodIssue, before: readonly PropertyKey[]): Problem[] {
  const path = [...before, ...issue.path];
  if (issue.code === 'invalid_union') {
    const alternatives = meantOf(issue.errors).map((issues) => issues.flatMap((one) => issueProblems(one, path)));
    // The intended alternative is the one that matches furthest.
    const [best] = alternatives.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length);
    const tried = issue.errors.some((issues) => !issues.some(isMissing));
    if (best && best.length > 0 && tried) return best;
    // A misspelt name is unknown to every alternative: the one that knows most of the others is meant.
    const unknown = meantOf(issue.errors).map(unknownNames);
    const isMisspelt = unknown[0]?.some((name) => unknown.every((names) => names.includes(name))) ?? false;
    const fewest = unknown.indexOf(unknown.toSorted((a, b) => a.length - b.length)[0] ?? []);
    const meant = isMisspelt ? alternatives[fewest] : undefined;
    if (meant) return meant;
  }
  return [{ path, reason: issueText(issue) }];
}

type Issues = readonly z.core.$ZodIssue[];

/** Returns the alternatives that may be meant: of several kinds of objects, those that know most of the names. */
function meantOf(alternatives: readonly Issues[]): readonly Issues[] {
  const objects = alternatives.filter(
    (issues) => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  );
  const unknown = objects.map(unknownNames);
  const ofOthers = unknown.map(
    (names) => names.filter((name) => !unknown.every((others) => others.includes(name))).length,
  );
  const fewest = Math.min(...ofOthers);
  return ofOthers.every((count) => count === fewest) ? alternatives : objects.filter((_, i) => ofOthers[i] === fewest);
}

/** Returns the names of an object that an alternative does not know. */
function unknownNames(issues: readonly z.core.$ZodIssue[]): readonly string[] {
  return issues.flatMap((one) => (one.code === 'unrecognized_keys' && one.path.length === 0 ? one.keys : []));
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

function issueText(issue: z.core.$ZodIssue): string {
  const { input, message } = issue;
  if (issue.code === 'unrecognized_keys') return message;
  const wanted = wantedText(issue);
  if (input === undefined) return `is missing: ${wanted}`;
  const isSimple = input === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof input);
  return `${wanted}${isSimple ? `, not ${show(input)}` : Array.isArray(input) ? ', not a list' : ''}`;
}

function wantedText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `${typeNames[issue.expected] ?? issue.expected} is expected`;
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    const value = (issue.input as Record<string, unknown> | undefined)?.[issue.discriminator];
    return value === undefined ? `is missing: ${issue.message}` : `${issue.message}, not ${show(value)}`;
  }
  if (issue.code === 'too_small') return limitText(issue.origin, 'at least', issue.minimum);
  if (issue.code === 'too_big') return limitText(issue.origin, 'at most', issue.maximum);
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')} is expected`;
  return issue.message;
}

const measures: Readonly<Record<string, string>> = { string: 'characters', array: 'entries' };

function limitText(origin: string, limit: string, value: number | bigint): string {
  const measure = measures[origin];
  return measure === undefined
    ? `a number of ${limit} ${value} is expected`
    : `${limit} ${value} ${measure} are expected`;
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' && issue.input === undefined && issue.path.length === 1;
}

/** Returns the depth of the first problem in the document. */
function depth(problems: readonly Problem[]): number {
  return problems[0]?.path.length ?? 0;
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? '' : `${text.replace(/^\./, '')}: `;
}
