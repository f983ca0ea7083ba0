import { IpvsError, invalid } from '../common/errors.js';
import { LONGEST_MAIN_NAME } from '../common/interface-name.js';
import { isPrefix } from '../kernel/netfilter/interfaces.js';
import type { NftMatch } from '../kernel/netfilter/types.js';
import { type MarkSettings, markText, packetsKey } from './mark-options.js';
import { checkInterface } from './match.js';

/** Lists of objects with a match: edits, or a desired state. */
export type Lists = { readonly [name: string]: readonly { readonly match: NftMatch }[] };

const options = ['inputInterface', 'outputInterface'] as const;

/** Returns the names of single interfaces in the matches, without patterns such as `veth*`. */
export function interfacesOf(lists: Lists): string[] {
  const names = new Set<string>();
  for (const list of Object.values(lists))
    for (const { match } of list)
      for (const option of options) {
        const pattern = match[option];
        if (pattern !== undefined && !isPrefix(pattern)) names.add(nameOf(pattern));
      }
  return [...names];
}

/**
 * Replaces alternative names by main names: nf_tables compares the main name (nft_meta_get_eval_ifname in
 * net/netfilter/nft_meta.c). A name that no interface has stays, for an interface that is made later.
 * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE` for such a name of more than 15 characters
 */
export function withMainNames<T extends Lists>(lists: T, names: ReadonlyMap<string, string>): T {
  const entries = Object.entries(lists).map(([key, list]) => [key, list.map((item) => resolved(item, names))]);
  return Object.fromEntries(entries) as T;
}

function resolved<T extends { readonly match: NftMatch }>(item: T, names: ReadonlyMap<string, string>): T {
  let { match } = item;
  for (const option of options) {
    const pattern = match[option];
    if (pattern === undefined || isPrefix(pattern)) continue;
    const given = nameOf(pattern);
    const main = names.get(given) ?? given;
    if (main.length > LONGEST_MAIN_NAME)
      throw new IpvsError('ERR_IPVS_NO_SUCH_INTERFACE', `cannot match ${option} ${given}: there is no such interface`);
    if (main !== given) match = { ...match, [option]: checkInterface(option, main.replace(/\*$/, '\\*')) };
  }
  return match === item.match ? item : { ...item, match };
}

/** Returns the name that a pattern stands for: an escaped asterisk at the end belongs to it. */
function nameOf(pattern: string): string {
  return pattern.replace(/\\\*$/, '*');
}

/**
 * Returns the marks without repetitions. Rejects two marks for the same packets, also with two names of one interface.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function distinctMarks(marks: readonly MarkSettings[]): MarkSettings[] {
  const distinct = new Map<string, MarkSettings>();
  for (const mark of marks) {
    const key = packetsKey(mark);
    const other = distinct.get(key);
    if (other && other.mark !== mark.mark)
      throw invalid(`two marks are for the same packets: ${markText(other)}, and mark ${mark.mark}`);
    distinct.set(key, mark);
  }
  return [...distinct.values()];
}
