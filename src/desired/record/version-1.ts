import { show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { type Before, beforeOf } from '../../items/before.js';
import { encodeItem, type ItemId, idOf, keyOf } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import { knobOf } from '../../items/sysctl-knobs.js';
import { encodeServer, encodeService } from '../../kernel/ipvs/ids.js';
import type { Protocol } from '../../kernel/ipvs/types.js';
import { checkItem } from './item-checks.js';

/**
 * Records of version 1 named objects as messages did: `TCP 192.0.2.1:80`, `sysctl net/ipv4/ip_forward`. This module
 * converts them, once; nothing else reads those names.
 */

type Plain = Readonly<Record<string, unknown>>;

/** Converts the lines of a journal of version 1, which have to be given in order. */
export class Version1 {
  /** Ids of entries by the names that version 1 gave them. */
  readonly #ids = new Map<string, ItemId>();

  /**
   * Returns the line of version 2, unchecked; undefined if a line has no effect.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  line(value: unknown): unknown {
    const line = plain('a line', value);
    if (Object.keys(line).length !== 1) throw invalid('a line must have one field');
    if ('put' in line) return { put: this.#entry(plain('an entry', line.put)) };
    if ('remove' in line) return this.#remove(line.remove);
    if ('own' in line) return { own: byService(line.own, (servers) => list(servers).map(serverOf)) };
    if ('disown' in line) return { disown: byService(line.disown, (servers) => list(servers).map(serverOf)) };
    if ('about' in line) return { about: byService(line.about) };
    if ('stale' in line) return { stale: byService(line.stale) };
    if ('announce' in line) return { announce: this.#announcements(line.announce) };
    if (!('drain' in line)) return line;
    const { service, server, ...rest } = plain('drain', line.drain);
    return { drain: { service: serviceOf(service), server: serverOf(server), ...rest } };
  }

  #entry({ name, before, ...rest }: Plain): Plain {
    const item = checkItem(rest.item);
    const id = idOf(item);
    this.#ids.set(String(name), id);
    const { tried } = rest;
    return {
      id,
      ...rest,
      ...(before !== undefined && { before: beforeOfVersion1(item, before) }),
      // Version 1 gave some items one name that are two by now.
      ...(tried !== undefined && { tried: list(tried).filter((one) => idOf(checkItem(one)) === id) }),
    };
  }

  #remove(name: unknown): Plain | undefined {
    const id = this.#ids.get(String(name));
    return id === undefined ? undefined : { remove: id };
  }

  #announcements(value: unknown): Plain {
    const entries = Object.entries(plain('announce', value));
    return Object.fromEntries(
      entries.flatMap(([name, owed]) => {
        const id = this.#ids.get(name);
        return id === undefined ? [] : [[id, owed]];
      }),
    );
  }
}

/** Returns the claims of a book of version 1, unchecked. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function claimsOfVersion1(book: Plain): Plain[] {
  return Object.entries(book).map(([name, value]) => {
    const { before, owners, ...rest } = plain('a claim', value);
    const [kind, ...words] = name.split(' ');
    const setting = words.join(' ');
    const itemOf = (text: unknown): Item => {
      if (typeof text !== 'string') throw invalid(`the value of an owner must be a text, not ${show(text)}`);
      return checkItem(
        kind === 'timeout'
          ? { kind, name: setting, seconds: Number(text) }
          : { kind, ...valueOfVersion1(setting, text) },
      );
    };
    const wanted = Object.entries(plain('owners', owners)).map(([owner, text]) => {
      const item = itemOf(text);
      return [owner, item.kind === 'sysctl' ? { kind: item.kind, path: item.name, value: item.value } : item] as const;
    });
    const [[, first] = []] = Object.entries(plain('owners', owners));
    const item = itemOf(first);
    const id = encodeItem(item.kind === 'sysctl' ? { kind: 'sysctl', setting: knobOf(setting).key } : keyOf(item));
    return { id, before: beforeOfVersion1(item, before), owners: Object.fromEntries(wanted), ...rest };
  });
}

/** An owner that wanted a setting in another unit had the path in the value: `net/... = 5`. */
function valueOfVersion1(setting: string, text: string): { readonly name: string; readonly value: string } {
  const [, path, value] = /^(net\/\S+) = (.*)$/.exec(text) ?? [];
  return { name: path ?? setting, value: value ?? text };
}

const REDIRECTS = 'net/ipv4/conf/all/accept_redirects';

/** Returns the recorded state: a text, a JSON text, or two numbers for ip_forward and the setting that it resets. */
function beforeOfVersion1(item: Item, before: unknown): Before {
  if (typeof before !== 'string') throw invalid(`before must be a text, not ${show(before)}`);
  if (item.kind === 'timeout') return { kind: 'timeout', seconds: Number(before) };
  if (item.kind === 'netfilter') return { kind: 'netfilter', state: JSON.parse(before) };
  if (item.kind !== 'sysctl') throw invalid(`before belongs to settings and tables, not to ${item.kind}`);
  if (before.startsWith('{')) return { kind: 'sysctl', texts: JSON.parse(before) };
  const { key } = knobOf(item.name);
  const [, forward, redirects] = key === 'net/ipv4/ip_forward' ? (/^(\d+) (\d+)$/.exec(before) ?? []) : [];
  if (forward === undefined || redirects === undefined) return beforeOf(new Map([[key, before]]));
  return beforeOf(
    new Map([
      [key, forward],
      [REDIRECTS, redirects],
    ]),
  );
}

function byService(value: unknown, convert: (value: unknown) => unknown = (value) => value): Plain {
  const entries = Object.entries(plain('services', value));
  return Object.fromEntries(entries.map(([name, of]) => [serviceOf(name), convert(of)]));
}

function serviceOf(name: unknown): string {
  const text = String(name);
  const [, mark, ipv6] = /^FWM (\d+)( IPv6)?$/.exec(text) ?? [];
  if (mark !== undefined) return encodeService({ family: ipv6 ? 'ipv6' : 'ipv4', fwmark: Number(mark) });
  const [, protocol, address, port] = /^(TCP|UDP|SCTP) (.*):(\d+)$/.exec(text) ?? [];
  if (protocol === undefined || address === undefined) throw invalid(`a service is not named ${show(name)}`);
  const plainAddress = withoutBrackets(address);
  return encodeService({
    family: plainAddress.includes(':') ? 'ipv6' : 'ipv4',
    protocol: protocol.toLowerCase() as Protocol,
    address: plainAddress,
    port: Number(port),
  });
}

/** An empty name is the service itself. */
function serverOf(name: unknown): string {
  if (name === '') return '';
  const [, address, port] = /^(.*):(\d+)$/.exec(String(name)) ?? [];
  if (address === undefined) throw invalid(`a server is not named ${show(name)}`);
  return encodeServer({ address: withoutBrackets(address), port: Number(port) });
}

function withoutBrackets(address: string): string {
  return address.replace(/^\[(.*)\]$/, '$1');
}

function plain(what: string, value: unknown): Plain {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Plain;
  throw invalid(`${what} must be an object, not ${show(value)}`);
}

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`servers must be a list, not ${show(value)}`);
}
