import { checkInteger, checkOptions, show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import { checkLineOfText, checkSysctlBefore, checkSysctlPath, checkTimeout } from './item-checks.js';

/** A namespace-wide setting that owners have changed. */
export interface Claim {
  /** Value before the first owner changed it. */
  readonly before: string;
  /** Value that each owner wants, by the name of the owner. */
  readonly owners: ReadonlyMap<string, string>;
  /** Indexes of the interfaces that the name and `before` have, by the names of the interfaces: these may change. */
  readonly interfaces: ReadonlyMap<string, number>;
}

/** Claims by the name of the setting: `sysctl net/ipv4/ip_forward`, `timeout tcp`. */
export type Book = ReadonlyMap<string, Claim>;

/** Reads the text of a book. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, SyntaxError */
export function parseBook(text: string | undefined): Book {
  if (text === undefined) return new Map();
  const value: unknown = JSON.parse(text);
  return new Map(entriesOf('the book', value).map(([name, claim]) => [name, checkClaim(name, claim)]));
}

export function formatBook(book: Book): string {
  if (book.size === 0) return '';
  const claims = [...book].map(([name, { before, owners, interfaces }]) => {
    const claim = { before, owners: recordOf(owners) };
    return [name, interfaces.size === 0 ? claim : { ...claim, interfaces: recordOf(interfaces) }] as const;
  });
  return `${JSON.stringify(recordOf(claims))}\n`;
}

function checkClaim(name: string, value: unknown): Claim {
  checkOptions(`the claim on ${show(name)}`, value, ['before', 'owners', 'interfaces']);
  const { before, owners, interfaces = {} } = value as Readonly<Record<string, unknown>>;
  const all = entriesOf('owners', owners).map(([owner, wanted]) => [owner, checkValue(name, wanted)] as const);
  if (all.length === 0) throw invalid(`the claim on ${show(name)} has no owner`);
  return {
    before: name.startsWith('sysctl ')
      ? checkSysctlBefore(name.slice('sysctl '.length), before)
      : checkValue(name, before),
    owners: new Map(all),
    interfaces: new Map(
      entriesOf('interfaces', interfaces).map(([on, index]) => [
        on,
        checkInteger(`the index of ${show(on)}`, index, 1, 0x7fffffff),
      ]),
    ),
  };
}

function checkValue(name: string, value: unknown): string {
  const [kind, ...rest] = name.split(' ');
  const setting = rest.join(' ');
  const text = checkLineOfText('a value', value);
  if (kind === 'timeout') checkTimeout(setting, Number(text));
  else if (kind === 'sysctl') checkSysctlPath(setting);
  else throw invalid(`a claim is on a sysctl or a timeout, not on ${show(name)}`);
  return text;
}

function entriesOf(what: string, value: unknown): [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value);
  throw invalid(`${what} must be an object, not ${show(value)}`);
}
