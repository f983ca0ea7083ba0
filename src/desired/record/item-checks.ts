import { about, checkFlag, checkInteger, checkOneOf, checkOptions, checkRange, show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { checkInterfaceName } from '../../common/interface-name.js';
import { checkPrefix, formatPrefix } from '../../common/prefix.js';
import { ranges } from '../../common/ranges.js';
import type { Before } from '../../items/before.js';
import type { ItemKey } from '../../items/item-ids.js';
import type { Item, ItemOf } from '../../items/items.js';
import type { Timeouts } from '../../kernel/ipvs/types.js';
import { checkState, type NetfilterState } from '../../netfilter/changes.js';
import { checkOwner } from '../../netfilter/owner.js';
import { checkFamily } from '../../network/checks.js';
import { checkLink } from '../../network/link-options.js';
import { checkRoute } from '../../network/route-options.js';
import { checkRule } from '../../network/rule-options.js';

type Checks = { readonly [Kind in Item['kind']]: (item: ItemOf<Kind>) => void };

/** Maximum length of a sysctl value, in characters: the kernel takes one page. */
const LONGEST_VALUE = 65_536;

const checks: Checks = {
  sysctl(item) {
    checkOptions('a sysctl', item, ['kind', 'name', 'value', 'orMore', 'reads', 'keepsRoute', 'implied']);
    checkSysctlPath(item.name);
    checkLineOfText('value', item.value);
    if (item.orMore !== undefined) checkFlag('orMore', item.orMore);
    if (item.reads !== undefined) checkText('reads', item.reads);
    if (item.keepsRoute !== undefined) checkFlag('keepsRoute', item.keepsRoute);
    if (item.implied !== undefined) checkFlag('implied', item.implied);
  },
  timeout(item) {
    checkOptions('a timeout', item, ['kind', 'name', 'seconds']);
    checkTimeout(item.name, item.seconds);
  },
  link(item) {
    checkOptions('a link', item, ['kind', 'link']);
    checkLink(item.link);
  },
  up(item) {
    checkOptions('a link that is up', item, ['kind', 'interface']);
    checkInterfaceName('interface', item.interface);
  },
  address(item) {
    checkOptions('an address', item, ['kind', 'interface', 'address', 'announce']);
    checkInterfaceName('interface', item.interface);
    const canonical = formatPrefix(checkPrefix('address', item.address));
    if (canonical !== item.address) throw invalid(`address is ${canonical}, not ${show(item.address)}`);
    if (item.announce !== undefined) checkFlag('announce', item.announce);
  },
  route(item) {
    checkOptions('a route', item, ['kind', 'route']);
    checkRoute(item.route);
  },
  'routing-rule'(item) {
    checkOptions('a routing rule', item, ['kind', 'rule']);
    checkRule(item.rule);
  },
  'gue-port'(item) {
    checkOptions('a port for GUE', item, ['kind', 'port', 'family']);
    checkInteger('port', item.port, 1, 0xffff);
    checkFamily(item.family);
  },
  netfilter(item) {
    checkOptions('a table of nf_tables', item, ['kind', 'owner', 'state']);
    checkOwner(item.owner);
    checkState(item.state);
  },
};

/** Checks an item that was read from a file. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkItem(value: unknown): Item {
  if (typeof value !== 'object' || value === null) throw invalid(`an item must be an object, not ${show(value)}`);
  const kinds = Object.keys(checks) as Item['kind'][];
  const kind = checkOneOf('kind', 'kind' in value ? value.kind : undefined, kinds);
  const check = checks[kind] as (item: unknown) => void;
  about(`the ${kind}`, () => check(value));
  return value as Item;
}

/** Checks the state that an object of this kind keeps for its removal. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkBefore(kind: ItemKey['kind'], value: unknown): Before {
  checkOptions('before', value, ['kind', 'texts', 'seconds', 'state']);
  const before = value as Readonly<Record<string, unknown>>;
  checkOneOf('the kind of before', before.kind, [kind]);
  switch (kind) {
    case 'sysctl':
      checkTexts(before.texts);
      break;
    case 'timeout':
      checkTimeout('tcp', before.seconds);
      break;
    case 'netfilter':
      checkState(before.state as NetfilterState);
      break;
    default:
      throw invalid(`before belongs to settings and tables, not to ${kind}`);
  }
  return value as Before;
}

/** Checks the recorded texts of a setting, and of the settings that a write of it resets, one for each interface. */
function checkTexts(texts: unknown): void {
  if (typeof texts !== 'object' || texts === null || Array.isArray(texts))
    throw invalid(`texts must be an object, not ${show(texts)}`);
  for (const [path, text] of Object.entries(texts)) {
    checkSysctlPath(path);
    checkText('text', text);
  }
}

/** Checks a path below /proc/sys, with slashes. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkSysctlPath(path: unknown): string {
  const parts = typeof path === 'string' ? path.split('/') : [];
  if (parts.length > 1 && parts[0] === 'net' && parts.every((part) => /^[^\s/\0]+$/.test(part) && !/^\.+$/.test(part)))
    return path as string;
  throw invalid(`the name of a sysctl must be a path such as net/ipv4/ip_forward, not ${show(path)}`);
}

export function checkTimeout(name: unknown, seconds: unknown): void {
  const names: readonly (keyof Timeouts)[] = ['tcp', 'tcpFin', 'udp'];
  checkRange(`the timeout ${checkOneOf('name', name, names)}`, seconds, ranges.timeout);
}

function checkText(what: string, value: unknown): string {
  if (typeof value === 'string' && value.length <= LONGEST_VALUE && !value.includes('\0')) return value;
  throw invalid(`${what} is text of at most ${LONGEST_VALUE} characters without NUL`);
}

export function checkLineOfText(what: string, value: unknown): string {
  const text = checkText(what, value);
  if (!text.includes('\n')) return text;
  throw invalid(`${what} is one line of text`);
}
