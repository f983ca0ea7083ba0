import { type Family, readAddress, writeAddress } from '../../common/address.js';
import { protocolNumber } from '../../common/protocols.js';
import { portProtocolOf } from './rules.js';
import type { NftMapElement, NftMapKey, NftMapName, NftMapShape } from './types.js';

const addressLength: Readonly<Record<Family, number>> = { ipv4: 4, ipv6: 16 };

/** The parts of a key. nf_tables keeps each at a multiple of 4 bytes. */
export interface KeyLayout {
  readonly family?: Family;
  readonly withPort: boolean;
  /** Length in bytes. */
  readonly length: number;
}

function layout(family: Family | undefined, withPort: boolean): KeyLayout {
  const length = (family ? addressLength[family] : 0) + (withPort ? 8 : 0);
  return { ...(family && { family }), withPort, length };
}

export const keyLayouts: Readonly<Record<NftMapShape, KeyLayout>> = {
  port: layout(undefined, true),
  ip: layout('ipv4', false),
  ip_port: layout('ipv4', true),
  ip6: layout('ipv6', false),
  ip6_port: layout('ipv6', true),
};

/** Writes a key at `at`, where all bytes are zero. */
export function writeKey(bytes: Uint8Array, at: number, layout: KeyLayout, key: NftMapKey): void {
  const { address, protocol, port = 0 } = key;
  const { family, withPort, length } = layout;
  if (family && address !== undefined) writeAddress(bytes, at, address, family);
  if (!withPort || !protocol) return;
  const end = at + length;
  bytes[end - 8] = protocolNumber(protocol);
  bytes[end - 4] = port >> 8;
  bytes[end - 3] = port & 0xff;
}

/** Reads the key of an element. Returns `undefined` for a protocol that this library does not write. */
export function readKey(bytes: Uint8Array, at: number, layout: KeyLayout): NftMapKey | undefined {
  const { family, withPort, length } = layout;
  const address = family && { address: readAddress(bytes, at, family) };
  if (!withPort) return { ...address };
  const end = at + length;
  const protocol = portProtocolOf(bytes[end - 8] ?? 0);
  return protocol && { ...address, protocol, port: ((bytes[end - 4] ?? 0) << 8) | (bytes[end - 3] ?? 0) };
}

/** Length of a mark, in bytes. */
const MARK = 4;
const FEW = 4;

/**
 * Elements of one map as packed records, each a key and a mark. 100,000 elements take 1.6 MB; as objects they take 20,
 * and the garbage collector stops the event loop for them.
 *
 * @example
 * ```ts
 * import type { NftElementList } from 'ipvs/kernel';
 *
 * export function print(list: NftElementList): void {
 *   for (const { address, port, mark } of list) console.log(address, port, mark);
 * }
 * ```
 */
export class NftElementList implements Iterable<NftMapElement> {
  /** Map of the elements. */
  readonly map: NftMapName;
  /** @internal */
  readonly layout: KeyLayout;
  /** Size of a record, in bytes. @internal */
  readonly size: number;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #length = 0;

  /** @param expected number of elements to reserve space for */
  constructor(map: NftMapName, elements: Iterable<NftMapElement> = [], expected: number = FEW) {
    this.map = map;
    this.layout = keyLayouts[map.shape];
    this.size = this.layout.length + MARK;
    this.#bytes = new Uint8Array(expected * this.size);
    this.#words = new Uint32Array(this.#bytes.buffer);
    for (const element of elements) this.push(element, element.mark);
  }

  /** Number of elements. */
  get length(): number {
    return this.#length;
  }

  /** The records, as words in host order, and free space after them. @internal */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Adds an element to the end. */
  push(key: NftMapKey, mark: number): void {
    const at = this.#length * this.size;
    if (at === this.#bytes.length) this.#grow();
    writeKey(this.#bytes, at, this.layout, key);
    this.#words[(at + this.layout.length) / 4] = mark;
    this.#length++;
  }

  /** Returns one element, read from its record; undefined if there is none at this index. */
  at(index: number): NftMapElement | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    const at = index * this.size;
    const key = readKey(this.#bytes, at, this.layout);
    return key && { ...key, mark: this.#words[(at + this.layout.length) / 4] ?? 0 };
  }

  /** Yields all elements in their order. */
  *[Symbol.iterator](): Generator<NftMapElement, void, void> {
    for (let index = 0; index < this.#length; index++) {
      const element = this.at(index);
      if (element) yield element;
    }
  }

  #grow(): void {
    const bytes = new Uint8Array(this.#bytes.length * 2);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer);
  }
}
