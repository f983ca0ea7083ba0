import type { SettingDifference } from '../../ipvs/differences.js';
import type { Item } from '../../items/items.js';
import { describeServer } from '../../kernel/ipvs/describe.js';
import type { ServerKey, ServerSettings, ServiceSettings } from '../../kernel/ipvs/types.js';
import { describeDifference, type NetfilterDifference } from '../../netfilter/differences.js';
import { differenceWords, serverWords, serviceWords } from './words.js';

/** Why an object is not as wanted, or why a step waits, as data. {@link reasonWords} makes text of it. */
export type Reason =
  /** `rival`: another owner that wants the found value. */
  | { readonly why: 'differs'; readonly differences: readonly SettingDifference[]; readonly rival?: string | undefined }
  /** A table has other marks and rules than the wanted ones. */
  | { readonly why: 'content'; readonly differences: readonly NetfilterDifference[] }
  /** An object of that name is another program's, whatever it contains. */
  | { readonly why: 'of-others' }
  | { readonly why: 'renamed'; readonly name: string }
  /** `optional`: the rest works without it. */
  | { readonly why: 'no-setting'; readonly optional: boolean }
  | { readonly why: 'no-interface'; readonly name: string }
  /** The object has disappeared without this owner. */
  | { readonly why: 'gone' }
  | { readonly why: 'link-down'; readonly name: string }
  /** A row of the IPVS table has these settings instead of the wanted ones. */
  | { readonly why: 'row'; readonly settings: ServiceSettings | ServerSettings }
  | { readonly why: 'servers-of-others'; readonly servers: readonly ServerKey[] }
  | { readonly why: 'servers-drain' }
  | {
      readonly why: 'connections';
      readonly active: number;
      readonly inactive: number;
      readonly persistent: number;
    }
  /** Senders of UDP stay with servers that are gone, because of a sysctl. */
  | { readonly why: 'senders-held' };

/** Objects that a step may lack: the reason for a conflict. */
export type Lacking = 'interface' | 'sysctl';

/** Returns the object that is missing, if that is the reason. */
export function lackingOf(reason: Reason | undefined): Lacking | undefined {
  if (reason?.why === 'no-interface') return 'interface';
  return reason?.why === 'no-setting' && !reason.optional ? 'sysctl' : undefined;
}

const HELD =
  'senders of UDP that do not pause get no other server for the UDP timeout: sysctl net/ipv4/vs/expire_nodest_conn is 0';

/** Returns a reason in words. `item`: the object, if it is an item. */
export function reasonWords(reason: Reason, item?: Item): string {
  switch (reason.why) {
    case 'differs': {
      const words = foundWords(reason.differences, item?.kind);
      return reason.rival === undefined ? words : `${words}, as ${reason.rival} wants it`;
    }
    case 'content':
      return contentWords(reason).join('; ');
    case 'of-others':
      return 'one of that name that another program made';
    case 'renamed':
      return `named ${reason.name}`;
    case 'no-setting':
      return reason.optional ? 'no such setting here' : 'no such setting';
    case 'no-interface':
      return `no interface ${reason.name}`;
    case 'gone':
      return 'gone already';
    case 'link-down':
      return `link ${reason.name} is down`;
    case 'row':
      return 'scheduler' in reason.settings ? serviceWords(reason.settings) : serverWords(reason.settings);
    case 'servers-of-others':
      return `it has servers that others made: ${reason.servers.map(describeServer).join(', ')}`;
    case 'servers-drain':
      return 'its servers drain';
    case 'connections':
      return `${reason.active} active, ${reason.inactive} inactive, ${reason.persistent} persistent connections`;
    case 'senders-held':
      return HELD;
  }
}

/** Returns the parts of a table that differ, one text for each; none for another reason. */
export function contentWords(reason: Reason | undefined): string[] {
  return reason?.why === 'content' ? reason.differences.map(describeDifference) : [];
}

/** Returns what the kernel has, in words. */
function foundWords(differences: readonly SettingDifference[], kind: Item['kind'] | undefined): string {
  const [first] = differences;
  if (!first) return 'another one';
  switch (kind) {
    case 'sysctl':
      return String(first.is);
    case 'timeout':
      return `${first.is} s`;
    case 'up':
      return 'down';
    case 'address':
      return first.is === 'duplicate' ? 'unusable: duplicate address detection failed' : String(first.is);
    case 'link':
      return first.path === 'kind' ? `a ${first.is} link` : `one with ${differenceWords(differences)}`;
    case 'gue-port':
      return `a port for ${first.is}`;
    default:
      return `one with ${differenceWords(differences)}`;
  }
}
