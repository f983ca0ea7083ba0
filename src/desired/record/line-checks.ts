import { at, checkFlag, checkInteger, checkOptions, show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { decodeItem, idOf } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import { decodeServer, decodeService } from '../../kernel/ipvs/ids.js';
import { checkMatch } from '../../netfilter/match.js';
import { checkOwner } from '../../netfilter/owner.js';
import { checkRule, type NetfilterRuleOptions } from '../../netfilter/rule-options.js';
import type { Datagrams } from '../document/datagrams.js';
import { checkDrainPolicy } from '../document/drain-policy.js';
import { checkBefore, checkItem } from './item-checks.js';
import type { Entry, Line } from './ledger.js';

const kinds = ['put', 'remove', 'own', 'disown', 'about', 'stale', 'translated', 'announce', 'drain'] as const;

/** Checks a line of a record that was read. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkLine(value: unknown): Line {
  checkOptions('a line', value, kinds);
  const line = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(line);
  if (names.length !== 1) throw invalid(`a line has one of ${kinds.join(', ')}, not ${names.length} of them`);
  if ('put' in line) at('put', () => checkEntry(line.put));
  else if ('remove' in line) checkItemId(line.remove);
  else if ('own' in line) checkRows('own', line.own);
  else if ('disown' in line) checkRows('disown', line.disown);
  else if ('about' in line) checkServices('about', line.about, checkAbout);
  else if ('stale' in line) checkServices('stale', line.stale, checkDatagrams);
  else if ('translated' in line) checkTranslated(line.translated);
  else if ('announce' in line) checkAnnounce(line.announce);
  else checkDrain(line.drain);
  return value as Line;
}

function checkEntry(value: unknown): void {
  checkOptions('an entry', value, ['id', 'item', 'before', 'tried', 'index']);
  const { id, item, before, tried, index } = value as { readonly [Name in keyof Entry]: unknown };
  const checked = checkItem(item);
  checkId(checked, id);
  if (before !== undefined) checkBefore(checked.kind, before);
  if (index !== undefined) checkInteger('index', index, 1, 0x7fffffff);
  if (tried === undefined) return;
  for (const other of checkList('tried', tried)) checkId(checkItem(other), id);
}

function checkId(item: Item, id: unknown): void {
  if (idOf(item) !== id) throw invalid(`the id of the item must be ${show(idOf(item))}, not ${show(id)}`);
}

function checkItemId(value: unknown): void {
  if (typeof value !== 'string') throw invalid(`the id of an item must be a text, not ${show(value)}`);
  decodeItem(value);
}

function checkRows(what: string, value: unknown): void {
  checkServices(what, value, (ids) => {
    for (const id of checkList('servers', ids)) if (id !== '') checkServerId(id);
  });
}

function checkServices(what: string, value: unknown, check: (value: unknown) => void): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} must be an object with the ids of services, not ${show(value)}`);
  for (const [service, of] of Object.entries(value)) {
    decodeService(service);
    check(of);
  }
}

function checkAbout(value: unknown): void {
  if (value === null) return;
  checkOptions('about', value, ['drain', 'datagrams', 'udp']);
  const { drain, datagrams, udp } = value as Readonly<Record<string, unknown>>;
  if (drain !== undefined) checkDrainPolicy(drain as Parameters<typeof checkDrainPolicy>[0]);
  if (datagrams !== undefined) checkDatagrams(datagrams);
  if (udp !== undefined) checkFlag('udp', udp);
}

function checkDatagrams(value: unknown): void {
  if (value === null) return;
  for (const one of checkList('datagrams', value)) {
    checkOptions('a destination', one, ['address', 'port', 'source', 'family', 'partly']);
    const { address, port, source, family, partly } = one as Datagrams;
    checkMatch('a destination', { destination: address, port, source, family, protocol: 'udp' }, 'prerouting');
    if (partly !== undefined) checkFlag('partly', partly);
  }
}

function checkNamed(what: string, value: unknown, check: (value: unknown) => void): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} must be an object, not ${show(value)}`);
  for (const of of Object.values(value)) check(of);
}

function checkTranslated(value: unknown): void {
  checkNamed('translated', value, checkRules);
  for (const owner of Object.keys(value as object)) checkOwner(owner);
}

function checkRules(value: unknown): void {
  if (value !== null) for (const rule of checkList('rules', value)) checkRule(rule as NetfilterRuleOptions);
}

function checkAnnounce(value: unknown): void {
  checkNamed('announce', value, (owed) => {
    if (owed !== null && owed !== true) throw invalid(`announce must be true or null, not ${show(owed)}`);
  });
  for (const id of Object.keys(value as object)) decodeItem(id);
}

function checkDrain(value: unknown): void {
  checkOptions('drain', value, ['service', 'server', 'draining']);
  const { service, server, draining } = value as Readonly<Record<string, unknown>>;
  if (typeof service !== 'string') throw invalid(`the id of a service must be a text, not ${show(service)}`);
  decodeService(service);
  checkServerId(server);
  if (draining === null) return;
  checkOptions('draining', draining, ['weight', 'until']);
  const { weight, until } = draining as Readonly<Record<string, unknown>>;
  checkInteger('weight', weight, 0, 0x7fffffff);
  if (typeof until !== 'number' || !Number.isFinite(until)) throw invalid(`until must be a time, not ${show(until)}`);
}

function checkList(what: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`${what} must be a list, not ${show(value)}`);
}

function checkServerId(id: unknown): void {
  if (typeof id !== 'string') throw invalid(`the id of a server must be a text, not ${show(id)}`);
  decodeServer(id);
}
