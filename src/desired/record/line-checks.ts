import { canonicalAddress, familyOf } from '../../common/address.js';
import { at, checkFlag, checkInteger, checkOptions, show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { describeService, parseService } from '../../ipvs/describe.js';
import { checkMatch } from '../../netfilter/match.js';
import { checkRule, type RuleOptions } from '../../netfilter/rule-options.js';
import type { Datagrams } from '../document/datagrams.js';
import { checkDrainPolicy } from '../document/drain-policy.js';
import { checkBefore, checkItem, keyOf } from './item-checks.js';
import type { Entry, Line } from './ledger.js';

const kinds = ['put', 'remove', 'own', 'disown', 'about', 'stale', 'translated', 'announce', 'drain'] as const;

/** Checks a line of a record that was read. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkLine(value: unknown): Line {
  checkOptions('a line', value, kinds);
  const line = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(line);
  if (names.length !== 1) throw invalid(`a line has one of ${kinds.join(', ')}, not ${names.length} of them`);
  if ('put' in line) at('put', () => checkEntry(line.put));
  else if ('remove' in line) checkEntryName(line.remove);
  else if ('own' in line) checkRows('own', line.own);
  else if ('disown' in line) checkRows('disown', line.disown);
  else if ('about' in line) checkServices('about', line.about, checkAbout);
  else if ('stale' in line) checkServices('stale', line.stale, checkDatagrams);
  else if ('translated' in line) checkNamed('translated', line.translated, checkRules);
  else if ('announce' in line) checkNamed('announce', line.announce, checkOwed);
  else checkDrain(line.drain);
  return value as Line;
}

function checkEntry(value: unknown): void {
  checkOptions('an entry', value, ['name', 'item', 'before', 'tried', 'index']);
  const { name, item, before, tried, index } = value as { readonly [Name in keyof Entry]: unknown };
  const checked = checkItem(item);
  checkKey(keyOf(checked), name);
  checkBefore(checked, before);
  if (index !== undefined) checkInteger('index', index, 1, 0x7fffffff);
  if (tried === undefined) return;
  for (const other of checkList('tried', tried)) checkKey(keyOf(checkItem(other)), name);
}

function checkKey(key: string, name: unknown): void {
  if (key !== name) throw invalid(`the name of the item is ${show(key)}, not ${show(name)}`);
}

function checkEntryName(value: unknown): void {
  if (typeof value !== 'string' || value.length === 0 || value.length > 1000)
    throw invalid('remove is the name of an item');
}

function checkRows(what: string, value: unknown): void {
  checkServices(what, value, (names) => {
    for (const name of checkList('servers', names)) if (name !== '') checkServerName(name);
  });
}

function checkServices(what: string, value: unknown, check: (value: unknown) => void): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} must be an object with the names of services, not ${show(value)}`);
  for (const [service, of] of Object.entries(value)) {
    checkServiceName(service);
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

function checkRules(value: unknown): void {
  if (value !== null) for (const rule of checkList('rules', value)) checkRule(rule as RuleOptions);
}

function checkOwed(value: unknown): void {
  if (value !== null && value !== true) throw invalid(`announce must be true or null, not ${show(value)}`);
}

function checkDrain(value: unknown): void {
  checkOptions('drain', value, ['service', 'server', 'draining']);
  const { service, server, draining } = value as Readonly<Record<string, unknown>>;
  checkServiceName(service);
  checkServerName(server);
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

function checkServiceName(name: unknown): void {
  const key = typeof name === 'string' ? nameToKey(name) : undefined;
  const known =
    key !== undefined &&
    describeService(key) === name &&
    ('fwmark' in key
      ? key.fwmark >= 1 && key.fwmark <= 0xffffffff
      : isAddress(key.address, key.family) && key.port <= 0xffff);
  if (!known) throw invalid(`a service is FWM 80 or TCP 192.0.2.1:80, not ${show(name)}`);
}

function nameToKey(name: string): ReturnType<typeof parseService> | undefined {
  try {
    return parseService(name);
  } catch {
    return undefined;
  }
}

function checkServerName(name: unknown): void {
  if (typeof name === 'string') {
    const end = name.lastIndexOf(':');
    const port = name.slice(end + 1);
    const isPort = port === '0' || (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 0xffff);
    if (isPort && name[0] === '[' && name[end - 1] === ']' && isAddress(name.slice(1, end - 1), 'ipv6')) return;
    if (isPort && end > 0 && isAddress(name.slice(0, end), 'ipv4')) return;
  }
  throw invalid(`a server is 192.0.2.1:80 or [2001:db8::1]:80, not ${show(name)}`);
}

function isAddress(address: string, family: 'ipv4' | 'ipv6'): boolean {
  return familyOf(address) === family && canonicalAddress(address, family) === address;
}
