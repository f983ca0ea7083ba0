import { checkInteger, checkList, checkName, checkOneOf, checkOptions, valueOr } from '../kernel/check.js';
import type { Expectation, ExpectationSettings, Tuple } from '../kernel/conntrack/types.js';
import { invalid } from '../kernel/errors.js';
import { limits } from '../kernel/limits.js';
import { checkU32 } from './filter.js';
import { checkTuple, checkZone, type TupleOptions } from './tuple.js';

/** A flow that is expected, of a master that has a helper. */
export interface ExpectationOptions {
  readonly tuple: TupleOptions;
  /**
   * What of the tuple counts. `any`: what may differ, the source's port being the usual one.
   * Default: the source port may differ, as with FTP.
   */
  readonly any?: readonly ('source' | 'sourcePort')[] | undefined;
  /** The original tuple of a flow with a helper. */
  readonly master: TupleOptions;
  readonly zone?: number | undefined;
  /** Seconds; the kernel takes that of the helper's policy instead, if there is a helper. */
  readonly timeout: number;
  /** 1 permanent, 2 inactive; `NF_CT_EXPECT_*`. */
  readonly flags?: number | undefined;
  readonly class?: number | undefined;
  /** Default: that of the master. */
  readonly helper?: string | undefined;
  /** The kernel's function for such flows: `nat-follow-master`. */
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

/** All ones for what must be equal. The kernel wants the whole of the destination. */
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
  checkOptions('an expectation', selector, names); // or one that was read
  const { tuple, zone = 0, id = 0 } = selector;
  return {
    tuple: checkTuple('the expected tuple', tuple),
    zone: checkZone('the zone', zone),
    id: checkU32('the id', id),
  };
}
