import { checkInteger, checkList, checkName, checkOneOf, checkOptions, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import type { Expectation, ExpectationSettings, Tuple } from '../kernel/conntrack/types.js';
import { checkU32 } from './filter.js';
import { checkTuple, checkZone, type TupleOptions } from './tuple.js';

/** An expected flow. Its master is a flow with a helper. */
export interface ExpectationOptions {
  readonly tuple: TupleOptions;
  /**
   * Parts of the tuple that may differ in the expected flow. Default: `['sourcePort']`, as FTP needs it.
   */
  readonly any?: readonly ('source' | 'sourcePort')[] | undefined;
  /** Original tuple of the master. */
  readonly master: TupleOptions;
  readonly zone?: number | undefined;
  /** Seconds, 1 to 2 147 483 647. With a helper, the kernel takes the timeout of the helper's policy instead. */
  readonly timeout: number;
  /** Bits of `NF_CT_EXPECT_*`, 0 to 7: 1 permanent, 2 inactive, 4 userspace. */
  readonly flags?: number | undefined;
  readonly class?: number | undefined;
  /** Default: the helper of the master. */
  readonly helper?: string | undefined;
  /** Kernel function that handles the expected flow, for example `nat-follow-master`. */
  readonly function?: string | undefined;
  readonly nat?: { readonly direction: 'original' | 'reply'; readonly tuple: TupleOptions } | undefined;
}

export type ExpectationSelector = { readonly tuple: TupleOptions; readonly zone?: number; readonly id?: number };

const names = ['tuple', 'any', 'master', 'zone', 'timeout', 'flags', 'class', 'helper', 'function', 'nat'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkExpectation(options: ExpectationOptions): ExpectationSettings {
  checkOptions('an expectation', options, names);
  const tuple = checkTuple('the expected tuple', options.tuple);
  const { any = ['sourcePort'], nat, zone, helper } = options;
  for (const part of checkList('any', any, limits.names)) checkOneOf('any', part, ['source', 'sourcePort']);
  if (nat !== undefined) checkOptions('the translation of an expectation', nat, ['direction', 'tuple']);
  const { function: name } = options;
  if (name !== undefined && !(typeof name === 'string' && /^[\x21-\x7e]{1,31}$/.test(name)))
    throw invalid('function is the name of a function of the kernel');
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

export function checkExpectationKey(selector: ExpectationSelector): Pick<Expectation, 'tuple' | 'zone' | 'id'> {
  const names = ['tuple', 'zone', 'id', 'mask', 'master', 'timeout', 'flags', 'class', 'helper', 'function', 'nat'];
  checkOptions('an expectation', selector, names); // accepts an `Expectation` that was read, too
  const { tuple, zone = 0, id = 0 } = selector;
  return {
    tuple: checkTuple('the expected tuple', tuple),
    zone: checkZone('the zone', zone),
    id: checkU32('the id', id),
  };
}
