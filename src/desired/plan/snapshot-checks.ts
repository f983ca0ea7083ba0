import { show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { decodeItem } from '../../items/item-ids.js';
import type { Snapshot } from '../../items/snapshot.js';
import { checkWanted } from '../record/book.js';

/** Lists of objects that a snapshot may have. */
const LISTS = ['table', 'links', 'addresses', 'routes', 'rules', 'udpTunnels', 'advertised'] as const;

/**
 * Checks the part of a snapshot that was read from a kernel: the type of each field, and of the entries of each list.
 *
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function checkSnapshot(value: unknown): Snapshot {
  const snapshot = checkObject('snapshot', value);
  if (typeof snapshot.time !== 'number') throw invalid(`time must be a number, not ${show(snapshot.time)}`);
  for (const name of LISTS) {
    const list = snapshot[name];
    if (list !== undefined) for (const entry of checkArray(name, list)) checkObject(`an entry of ${name}`, entry);
  }
  for (const link of (snapshot.links ?? []) as readonly Readonly<Record<string, unknown>>[])
    checkTexts([link.name, ...checkArray('alternativeNames', link.alternativeNames)]);
  for (const row of (snapshot.table ?? []) as readonly Readonly<Record<string, unknown>>[]) {
    checkObject('the key of a service', checkObject('service', row.service).key);
    for (const server of checkArray('servers', row.servers)) checkObject('a server', server);
  }
  if (snapshot.timeouts !== undefined) checkObject('timeouts', snapshot.timeouts);
  for (const [name, text] of Object.entries(checkObject('sysctls', snapshot.sysctls)))
    if (text !== null && typeof text !== 'string')
      throw invalid(`the sysctl ${show(name)} must be a text, not ${show(text)}`);
  for (const table of Object.values(checkObject('netfilter', snapshot.netfilter)))
    if (table !== null && table !== 'foreign') checkObject('a table of netfilter', table);
  for (const [id, owners] of Object.entries(checkObject('claims', snapshot.claims ?? {}))) {
    decodeItem(id);
    for (const pair of checkArray('claims', owners)) {
      const [owner, wanted] = checkArray('a claim', pair);
      checkTexts([owner]);
      checkWanted(undefined, wanted);
    }
  }
  for (const pair of checkArray('others', snapshot.others ?? [])) {
    const [owner, rows] = checkArray('an entry of others', pair);
    checkTexts([owner]);
    for (const ids of Object.values(checkObject('rows', rows))) checkTexts(checkArray('servers', ids));
  }
  return snapshot as unknown as Snapshot;
}

function checkObject(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} must be an object, not ${show(value)}`);
  return value as Readonly<Record<string, unknown>>;
}

function checkArray(what: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${what} must be a list, not ${show(value)}`);
  return value;
}

function checkTexts(values: readonly unknown[]): void {
  for (const value of values) if (typeof value !== 'string') throw invalid(`a name must be a text, not ${show(value)}`);
}
