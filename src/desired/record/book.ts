import { checkInteger, checkOptions, show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import type { Before } from '../../items/before.js';
import { decodeItem, type ItemId, type ItemKey, idOf } from '../../items/item-ids.js';
import type { Wanted } from '../../items/snapshot.js';
import { checkBefore, checkItem } from './item-checks.js';
import { claimsOfVersion1 } from './version-1.js';
import { itemOf } from './wanted.js';

/** A namespace-wide setting that owners have changed. */
export interface Claim {
  /** State before the first owner changed it. */
  readonly before: Before;
  /** Value that each owner wants, by the name of the owner. */
  readonly owners: ReadonlyMap<string, Wanted>;
  /** Indexes of the interfaces that the setting and `before` name, by the names of the interfaces: these may change. */
  readonly interfaces: ReadonlyMap<string, number>;
}

/** Claims by the id of the setting, in the order in which they were made. */
export type Book = ReadonlyMap<ItemId, Claim>;

const VERSION = 2;

/** Returns the version of a book that a later version of this library wrote; undefined for another text. */
export function laterVersionOf(text: string | undefined): number | undefined {
  try {
    const { version } = JSON.parse(text ?? '') as { readonly version?: unknown };
    return typeof version === 'number' && version > VERSION ? version : undefined;
  } catch {
    return undefined;
  }
}

/** Reads the text of a book. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, SyntaxError */
export function parseBook(text: string | undefined): Book {
  if (text === undefined) return new Map();
  const value = JSON.parse(text) as unknown;
  const { version, claims } = checkObject('the book', value);
  if (version === undefined) return bookOf(claimsOfVersion1(checkObject('the book', value)));
  if (version !== VERSION) throw invalid(`version must be ${VERSION}, not ${show(version)}`);
  if (!Array.isArray(claims)) throw invalid(`claims must be a list, not ${show(claims)}`);
  return bookOf(claims);
}

function bookOf(claims: readonly unknown[]): Book {
  return new Map(
    claims.map((value) => {
      checkOptions('a claim', value, ['id', 'before', 'owners', 'interfaces']);
      const { id, ...claim } = value as Readonly<Record<string, unknown>>;
      if (typeof id !== 'string') throw invalid(`the id of a claim must be a text, not ${show(id)}`);
      return [id as ItemId, checkClaim(decodeItem(id), id, claim)] as const;
    }),
  );
}

/** Returns the text of a book; empty if it has no claims. */
export function formatBook(book: Book): string {
  if (book.size === 0) return '';
  const claims = [...book].map(([id, { before, owners, interfaces }]) => {
    const claim = { id, before, owners: recordOf(owners) };
    return interfaces.size === 0 ? claim : { ...claim, interfaces: recordOf(interfaces) };
  });
  return `${JSON.stringify({ version: VERSION, claims })}\n`;
}

function checkClaim({ kind }: ItemKey, id: string, claim: Readonly<Record<string, unknown>>): Claim {
  if (kind !== 'sysctl' && kind !== 'timeout') throw invalid(`a claim is on a sysctl or a timeout, not on a ${kind}`);
  const owners = Object.entries(checkObject('owners', claim.owners)).map(
    ([owner, wanted]) => [owner, checkOf(id, checkWanted(kind, wanted))] as const,
  );
  if (owners.length === 0) throw invalid('a claim must have an owner');
  const interfaces = Object.entries(checkObject('interfaces', claim.interfaces ?? {})).map(
    ([on, index]) => [on, checkInteger(`the index of ${show(on)}`, index, 1, 0x7fffffff)] as const,
  );
  return { before: checkBefore(kind, claim.before), owners: new Map(owners), interfaces: new Map(interfaces) };
}

function checkOf(id: string, wanted: Wanted): Wanted {
  if (idOf(itemOf(wanted)) === id) return wanted;
  throw invalid(`the claim ${show(id)} must not have a value of another setting`);
}

/** Checks the value that an owner wants of a setting of this kind. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkWanted(kind: Wanted['kind'] | undefined, value: unknown): Wanted {
  const wanted = checkObject('a wanted value', value) as unknown as Wanted;
  checkOptions('a wanted value', wanted, ['kind', 'path', 'value', 'name', 'seconds']);
  const { kind: is } = checkItem(itemOf(wanted));
  if (kind !== undefined && is !== kind) throw invalid(`the kind of a wanted value must be ${kind}, not ${is}`);
  return wanted;
}

function checkObject(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(`${what} must be an object, not ${show(value)}`);
}
