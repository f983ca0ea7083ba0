import type { Family } from '../common/address.js';
import { checkInteger, checkList, checkName, checkOneOf, checkOptions, show, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import type { CallOptions } from '../kernel/call.js';
import { describeTuple } from '../kernel/conntrack/line.js';
import type { ExpectationSettings } from '../kernel/conntrack/requests.js';
import type { Expectation, Tuple } from '../kernel/conntrack/types.js';
import type { Context } from './context.js';
import { checkFilter, checkU32 } from './filter.js';
import { checkTuple, checkZone, type TupleOptions } from './tuple.js';

/** An expected flow. Its master is a flow with a helper. */
export interface ExpectationOptions {
  /** Addresses and ports of the first packet of the expected flow. */
  readonly tuple: TupleOptions;
  /**
   * Parts of the tuple that may differ in the expected flow. Default: `['sourcePort']`, as FTP needs it.
   */
  readonly any?: readonly ('source' | 'sourcePort')[] | undefined;
  /** Original tuple of the master. */
  readonly master: TupleOptions;
  /** Zone of the master, 0 to 65535. Default: 0, the default zone. */
  readonly zone?: number | undefined;
  /** Seconds, 1 to 2 147 483 647. With a helper, the kernel takes the timeout of the helper's policy instead. */
  readonly timeout: number;
  /** Bits of `NF_CT_EXPECT_*`, 0 to 7: 1 permanent, 2 inactive, 4 userspace. Default: 0. */
  readonly flags?: number | undefined;
  /** Class of the helper's policy, 0 to 4 294 967 295; the kernel rejects one that the helper lacks. Default: 0. */
  readonly class?: number | undefined;
  /** Name of the helper, 1 to 15 characters. Default: the helper of the master. */
  readonly helper?: string | undefined;
  /** Kernel function that handles the expected flow, for example `nat-follow-master`, 1 to 31 characters. */
  readonly function?: string | undefined;
  /** Translation of the expected flow. */
  readonly nat?:
    | {
        /** Direction of the expected flow relative to its master: it leads to the sender of the master's other direction. */
        readonly direction: 'original' | 'reply';
        /** The tuple whose source is the address and port to translate to (`saved_addr` and `saved_proto`). */
        readonly tuple: TupleOptions;
      }
    | undefined;
}

/** Identifies an expectation: one that was read, or its tuple. */
export interface ExpectationSelector {
  /** Tuple of the expected flow. */
  readonly tuple: TupleOptions;
  /** Zone of the master, 0 to 65535. Default: 0, the default zone. */
  readonly zone?: number | undefined;
  /** Id of the expectation that was read. With it, a delete ignores an expectation with another id. */
  readonly id?: number | undefined;
}

const names = Object.keys({
  tuple: true,
  any: true,
  master: true,
  zone: true,
  timeout: true,
  flags: true,
  class: true,
  helper: true,
  function: true,
  nat: true,
} satisfies Record<keyof ExpectationOptions, true>);

/** The names of an expectation that was read. */
const readNames = Object.keys({
  tuple: true,
  zone: true,
  id: true,
  mask: true,
  master: true,
  timeout: true,
  flags: true,
  class: true,
  helper: true,
  function: true,
  nat: true,
} satisfies Record<keyof Expectation, true>);

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
function checkExpectation(options: ExpectationOptions): ExpectationSettings {
  checkOptions('an expectation', options, names);
  const tuple = checkTuple('the expected tuple', options.tuple);
  const { any = ['sourcePort'], nat, zone, helper } = options;
  for (const part of checkList('any', any, limits.names)) checkOneOf('any', part, ['source', 'sourcePort']);
  if (nat !== undefined) checkOptions('the translation of an expectation', nat, ['direction', 'tuple']);
  const { function: name } = options;
  if (name !== undefined && !(typeof name === 'string' && /^[\x21-\x7e]{1,31}$/.test(name)))
    throw invalid(`function must be a name of 1 to 31 characters without spaces, not ${show(name)}`);
  return {
    tuple,
    mask: maskOf(tuple, any),
    master: checkTuple('the master', options.master),
    zone: zone === undefined ? 0 : checkZone('the zone', zone),
    timeout: checkInteger('timeout', options.timeout, 1, 0x7fffffff),
    flags: checkInteger('flags', valueOr(options.flags, 0), 0, 7),
    class: checkU32('class', valueOr(options.class, 0)),
    ...(helper !== undefined && { helper: checkName('helper', helper) }),
    ...(name !== undefined && { function: name }),
    ...(nat && {
      nat: {
        direction: checkOneOf('direction', nat.direction, ['original', 'reply']),
        tuple: checkTuple('the translated tuple', nat.tuple),
      },
    }),
  };
}

/** Returns a mask of all ones for each part that must be equal. The kernel requires a complete destination. */
function maskOf(tuple: Tuple, any: readonly string[]): Tuple {
  const [ones, zeros] =
    tuple.family === 'ipv6' ? ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '::'] : ['255.255.255.255', '0.0.0.0'];
  return {
    family: tuple.family,
    protocol: tuple.protocol,
    source: any.includes('source') ? zeros : ones,
    destination: ones,
    ...(tuple.sourcePort !== undefined && { sourcePort: any.includes('sourcePort') ? 0 : 65535 }),
    ...(tuple.destinationPort !== undefined && { destinationPort: 65535 }),
  };
}

function checkExpectationKey(selector: ExpectationSelector): Pick<Expectation, 'tuple' | 'zone' | 'id'> {
  checkOptions('an expectation', selector, readNames); // accepts an `Expectation` that was read, too
  const { tuple, zone = 0, id = 0 } = selector;
  return {
    tuple: checkTuple('the expected tuple', tuple),
    zone: checkZone('the zone', zone),
    id: checkU32('the id', id),
  };
}

export async function listExpectations(
  context: Context,
  filter: { readonly family?: Family | undefined },
  options?: CallOptions,
): Promise<Expectation[]> {
  checkOptions('a filter of expectations', filter, ['family']);
  const { family } = checkFilter(filter);
  const call = { command: 'DUMP_EXPECTATIONS', action: 'list', object: 'expectations', options } as const;
  return [...(await context.ask(call, () => context.port.expectations(family, options)))];
}

export async function createExpectation(
  context: Context,
  expectation: ExpectationOptions,
  options?: CallOptions,
): Promise<void> {
  const settings = checkExpectation(expectation);
  const object = describeTuple(settings.tuple);
  const call = { command: 'NEW_EXPECTATION', action: 'create expectation', object, options } as const;
  await context.ask(call, () => context.port.createExpectation(settings, options));
}

export async function deleteExpectation(
  context: Context,
  selector: ExpectationSelector,
  options?: CallOptions,
): Promise<void> {
  const key = checkExpectationKey(selector);
  const object = describeTuple(key.tuple);
  const call = { command: 'DELETE_EXPECTATION', action: 'delete expectation', object, options } as const;
  await context.ask(call, () => context.port.deleteExpectation(key, options));
}

export async function flushExpectations(context: Context, options?: CallOptions): Promise<void> {
  const call = { command: 'FLUSH', action: 'delete', object: 'all expectations', options } as const;
  await context.ask(call, () => context.port.flushExpectations(options));
}
