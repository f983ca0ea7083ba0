import type { Family } from '../address.js';
import { AF_INET6, HEADER_SIZE, layout } from './layout.js';

/** A buffer with the readers that records need. */
export class Records {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  u64(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }
  u8(at: number): number {
    return this.bytes[at] ?? 0;
  }
  family(at: number): Family {
    return this.bytes[at] === AF_INET6 ? 'ipv6' : 'ipv4';
  }
  /** Up to a NUL. */
  name(at: number, size: number): string {
    let text = '';
    for (let i = at; i < at + size && this.bytes[i]; i++) text += String.fromCharCode(this.bytes[i] ?? 0);
    return text;
  }
}

/** What one reply holds: read only where somebody looks. */
export class Batch extends Records {
  readonly flows: number;
  readonly expectations: number;
  readonly more: boolean;
  readonly #extensions: number;
  readonly #expectationsStart: number;
  readonly #text: number;

  constructor(buffer: ArrayBuffer) {
    super(buffer);
    this.flows = this.u32(0);
    this.expectations = this.u32(8);
    this.more = this.u32(12) !== 0;
    this.#extensions = HEADER_SIZE + this.flows * layout.flow.size;
    this.#expectationsStart = this.#extensions + this.u32(4) * layout.extension.size;
    this.#text = this.#expectationsStart + this.expectations * layout.expectation.size;
  }

  text(offset: number, length: number): string {
    const start = this.#text + offset;
    return Buffer.from(this.bytes.buffer, start, length).toString('utf8');
  }
  flowAt(index: number): number {
    return HEADER_SIZE + index * layout.flow.size;
  }
  extensionAt(place: number): number {
    return this.#extensions + (place - 1) * layout.extension.size;
  }
  expectationAt(index: number): number {
    return this.#expectationsStart + index * layout.expectation.size;
  }
}
