import type { Family } from '../common/address.js';
import { AF_INET6 } from '../kernel/families.js';

/** Reads packed records of the addon, each field on demand. All numbers are little-endian. */
export class RecordReader {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  u8(at: number): number {
    return this.bytes[at] ?? 0;
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
  family(at: number): Family {
    return this.bytes[at] === AF_INET6 ? 'ipv6' : 'ipv4';
  }
  /** Reads a text up to a NUL, at most `size` bytes. */
  text(at: number, size: number): string {
    let text = '';
    for (let i = at; i < at + size && this.bytes[i]; i++) text += String.fromCharCode(this.bytes[i] ?? 0);
    return text;
  }
}

/** Writes records into a buffer that is initially zero. */
export class RecordWriter {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  u8(at: number, value: number): void {
    this.bytes[at] = value;
  }
  u16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
  }
  u32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
  text(at: number, text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }
}
