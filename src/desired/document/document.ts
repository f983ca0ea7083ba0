import { about, at, checkOptions, checkRange, invalidAt, isText, show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { checkInterfaceName } from '../../common/interface-name.js';
import { limits } from '../../common/limits.js';
import { checkPrefix, formatPrefix } from '../../common/prefix.js';
import { ranges } from '../../common/ranges.js';
import { checkSize } from '../../common/size.js';
import { forEachInSlices } from '../../common/slices.js';
import { isStableSecret } from '../../common/sysctl-values.js';
import type { ServerOptions } from '../../ipvs/server-options.js';
import { heldServerSettings } from '../../ipvs/server-options.js';
import { heldServiceSettings } from '../../ipvs/service-options.js';
import { describeServer } from '../../kernel/ipvs/describe.js';
import { encodeServer } from '../../kernel/ipvs/ids.js';
import type { ServiceSettings } from '../../kernel/ipvs/types.js';
import { checkState } from '../../netfilter/changes.js';
import { checkMark, type FwmarkOptions, type FwmarkSelector } from '../../netfilter/mark-options.js';
import { checkRule } from '../../netfilter/rule-options.js';
import { checkInterfaceAddress } from '../../network/checks.js';
import { describe } from '../../roles/descriptions.js';
import { parseDocumentText } from './document-text.js';
import { checkDrainPolicy, type DrainPolicy } from './drain-policy.js';
import { checkOwnerName } from './owner-name.js';
import { type Target, TargetBuilder } from './target.js';
import type { DesiredAddress, DesiredDocument, DesiredService } from './types.js';

/**
 * A document: an object, a text (YAML, of which JSON is a part), the bytes of a file with such a text, or a checked
 * document.
 */
export type DocumentInput = string | Uint8Array | DesiredDocument | CheckedDocument;

/**
 * A checked document, in the kernel's terms.
 *
 * @example
 * ```ts
 * import { CheckedDocument } from 'ipvs';
 *
 * const text = '{ owner: web, services: [{ fwmark: 80, servers: [10.0.0.11] }] }'; // YAML, JSON, or the bytes of a file
 * const checked = await CheckedDocument.parse(text); // rejects with the path of a mistake
 * console.log(checked.document.owner);
 * ```
 */
export class CheckedDocument {
  /** The document, as an object, without `$schema` and `x-` names. */
  readonly document: DesiredDocument;
  /** @internal */
  readonly target: Target;

  private constructor(document: DesiredDocument, target: Target) {
    this.document = document;
    this.target = target;
  }

  /**
   * Checks a document. Check a large document once if you plan with it often. YAML may use merge keys (`<<`) and, for
   * anchors, names that begin with `x-`.
   *
   * Limits: 16 MiB of text; as YAML 1 000 000 tokens and 1000 anchors and aliases (JSON text has neither limit); 4 000
   * 000 values, 64 levels, and 1 048 576 entries of one list.
   *
   * Lets the event loop turn while it checks a large document, so do not change the object before the promise settles.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` that names each place in the document and what is wrong with it; the
   * reason of the signal
   */
  static async parse(
    input: DocumentInput,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<CheckedDocument> {
    if (input instanceof CheckedDocument) return input;
    if (input instanceof Uint8Array && input.byteLength > limits.documentText)
      throw invalid(`the document has at most ${limits.documentText} bytes as text, not ${input.byteLength}`);
    const text = input instanceof Uint8Array ? new TextDecoder().decode(input) : input;
    const whole = typeof text === 'string' ? await parseDocumentText(text, signal) : text;
    await checkSize('the document', whole, signal);
    const value = withoutNotes(whole);
    // Only a program with a document loads the schema library.
    if (typeof value === 'string')
      throw invalid(`the document must be an object, or its text: give what the file has, not ${show(value)}`);
    const { checkStructure } = await import('./schema.js');
    const result = await checkStructure(value, signal);
    if ('problems' in result) throw invalid(`the document: ${result.problems.join('; ')}`);
    const { document } = result;
    const target = await targetOf(document, signal).catch((error: unknown) =>
      about('the document', () => {
        throw error;
      }),
    );
    return new CheckedDocument(document, target);
  }

  /** Returns the document for JSON. */
  toJSON(): DesiredDocument {
    return this.document;
  }
}

/** Removes `$schema`, which is for editors, and `x-` names, which are for anchors. */
function withoutNotes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== '$schema' && !name.startsWith('x-')));
}

/** Checks a document without its schema. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` with the path in the document */
export async function targetOf(document: DesiredDocument, signal?: AbortSignal): Promise<Target> {
  const { roles = [], services = [], addresses = [], nat = [], timeouts = {}, sysctls = {} } = document;
  checkOwnerName(document.owner);
  if (document.drain) at('drain', () => checkDrainPolicy(document.drain as DrainPolicy));
  const owner = tableOf(document.owner);
  const builder = new TargetBuilder();
  const places = new Map<FwmarkOptions, string>();
  for (const [name, value] of Object.entries(sysctls)) builder.add(sysctl(name, value));
  for (const name of ['tcp', 'tcpFin', 'udp'] as const) {
    const seconds = timeouts[name];
    if (seconds !== undefined)
      builder.add({ kind: 'timeout', name, seconds: checkRange(`timeouts.${name}`, seconds, ranges.timeout) });
  }
  for (const [index, role] of roles.entries())
    at(`roles[${index}]`, () => {
      for (const part of describe(role, owner)) {
        builder.add(part);
        if (part.kind === 'netfilter') for (const mark of part.state.marks ?? []) places.set(mark, `roles[${index}]`);
      }
    });
  const marks: FwmarkOptions[] = [];
  const add = (place: string, mark: FwmarkOptions): void => {
    const own = { ...mark }; // YAML aliases may place one object twice
    marks.push(own);
    places.set(own, place);
  };
  for (const [index, mark] of (document.marks ?? []).entries())
    at(`marks[${index}]`, () => {
      checkMark(mark);
      add(`marks[${index}]`, mark);
    });
  for (const [index, rule] of nat.entries()) at(`nat[${index}]`, () => checkRule(rule));
  const addOne = (service: DesiredService, index: number): void =>
    at(`services[${index}]`, () => {
      for (const [at, mark] of addService(builder, service).entries()) add(`services[${index}].marks[${at}]`, mark);
    });
  await forEachInSlices(services, addOne, signal);
  if (marks.length + nat.length > 0) builder.add({ kind: 'netfilter', owner, state: { marks, rules: nat } });
  for (const [index, address] of addresses.entries())
    builder.add(at(`addresses[${index}]`, () => addressItem(address)));
  const target: Target = { ...builder.build(), netfilter: owner };
  // Check the marks of all roles and services together: two of them may mark the same packets.
  for (const item of target.items) {
    if (item.kind !== 'netfilter') continue;
    const all = item.state.marks ?? [];
    checkState(item.state, (index) => (all[index] && places.get(all[index])) ?? `marks[${index}]`);
  }
  return target;
}

/** Adds a service and its servers. Returns the marks that the service needs. */
function addService(builder: TargetBuilder, service: DesiredService): FwmarkOptions[] {
  const { servers = [], marks = [], sorryServer, drain, shared, ...options } = service;
  // A document may be the table of another program: accept every value that the kernel can hold.
  const settings = heldServiceSettings(options);
  const { key } = settings;
  const server = (given: string | ServerOptions) =>
    heldServerSettings(typeof given === 'string' ? { address: given } : given, key);
  if (marks.length > 0 && !('fwmark' in key))
    throw invalid('marks are for a service by mark; this one goes by protocol, address and port');
  const marked = 'fwmark' in key ? marks.map((packets, i) => at(`marks[${i}]`, () => markOf(packets, settings))) : [];
  const sorry = sorryServer === undefined ? undefined : at('sorryServer', () => server(sorryServer));
  builder.addService(settings, {
    ...(shared && { shared, stated: new Set(Object.keys(options)) }),
    ...(sorry && { sorry }),
    ...(drain && { drain: at('drain', () => checkDrainPolicy(drain)) }),
  });
  const named = new Set<string>();
  for (const [index, one] of servers.entries())
    at(`servers[${index}]`, () => {
      const settings = server(one);
      named.add(encodeServer(settings.key));
      builder.addServer(key, settings);
    });
  if (sorry && named.has(encodeServer(sorry.key)))
    throw invalidAt('sorryServer', `${describeServer(sorry.key)} is one of the servers`);
  return marked;
}

function markOf(packets: FwmarkSelector, { key }: ServiceSettings): FwmarkOptions {
  if (!('fwmark' in key)) throw new TypeError('a service by mark is expected');
  if ('mark' in packets) throw invalid('the mark is that of the service');
  if (packets.family !== undefined && packets.family !== key.family)
    throw invalid(`family must be that of the service, ${key.family}, not ${show(packets.family)}`);
  // A mark without an address applies to both families, but the service has only one.
  const ipv6 = key.family === 'ipv6' && packets.source === undefined && packets.destination === undefined;
  const mark = { ...packets, ...(ipv6 && { family: key.family }), mark: key.fwmark };
  checkMark(mark);
  return mark;
}

function addressItem(options: DesiredAddress) {
  checkOptions('an address', options, ['interface', 'address', 'announce']);
  const name = checkInterfaceName('interface', options.interface);
  const address = formatPrefix(
    checkInterfaceAddress('address', checkPrefix('address', options.address, { bare: true })),
  );
  const { announce = false } = options;
  return { kind: 'address', interface: name, address, ...(announce && { announce }) } as const;
}

function sysctl(name: string, value: string | number | boolean) {
  const parts = isText(name, limits.path) ? name.split(name.includes('/') ? '/' : '.') : [];
  const fine =
    parts.length > 1 && parts[0] === 'net' && parts.every((part) => /^[^\s/]+$/.test(part) && !/^\.+$/.test(part));
  if (!fine) throw invalid(`sysctls: a name is net.ipv4.ip_forward, or net/ipv4/ip_forward, not ${show(name)}`);
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw invalid(`sysctls: the value of ${name} must be an integer, not ${show(value)}`);
  const text = typeof value === 'boolean' ? String(Number(value)) : String(value).trim();
  if (text.includes('\n') || !isText(text, limits.sysctlValue))
    throw invalid(`sysctls: the value of ${name} must be a line of text, not ${show(value)}`);
  const path = parts.join('/');
  if (path === 'net/ipv6/conf/all/stable_secret')
    throw invalid(`sysctls: ${path} does not exist for the kernel: set that of an interface, or of default`);
  if (text === '' && isStableSecret(path))
    throw invalid(`sysctls: the value of ${path} is an IPv6 address: the kernel cannot delete a secret`);
  return { kind: 'sysctl', name: path, value: text } as const;
}

/** Returns the name of the owner's nf_tables table. */
export function tableOf(owner: string): string {
  return `ipvs-${owner}`;
}
