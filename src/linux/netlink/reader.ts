import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';

const HEADER = 16;
const TYPE_MASK = 0x3fff;

/** A netlink message. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  /** Bytes after the header. */
  readonly payload: Uint8Array;
}

function malformed(): KernelFailure {
  return new KernelFailure(Errno.EBADMSG, 'malformed reply');
}

/** Yields the messages of a reply. @throws KernelFailure EBADMSG */
export function* readMessages(buffer: ArrayBuffer): Generator<Message, void, void> {
  const view = new DataView(buffer);
  for (let at = 0; at < buffer.byteLength; ) {
    if (buffer.byteLength - at < HEADER) throw malformed();
    const length = view.getUint32(at, true);
    if (length < HEADER || length > buffer.byteLength - at) throw malformed();
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      payload: new Uint8Array(buffer, at + HEADER, length - HEADER),
    };
    at += (length + 3) & ~3;
  }
}

/** The value of one attribute, with getters for its possible types. */
export class Attribute {
  readonly type: number;
  readonly bytes: Uint8Array;

  constructor(type: number, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }

  get u8(): number {
    return this.#view(1).getUint8(0);
  }
  get u16(): number {
    return this.#view(2).getUint16(0, true);
  }
  get u32(): number {
    return this.#view(4).getUint32(0, true);
  }
  get i32(): number {
    return this.#view(4).getInt32(0, true);
  }
  get be16(): number {
    return this.#view(2).getUint16(0);
  }
  get be32(): number {
    return this.#view(4).getUint32(0);
  }
  get be64(): bigint {
    return this.#view(8).getBigUint64(0);
  }
  /** Text up to the NUL, or up to the end. */
  get text(): string {
    const end = this.bytes.indexOf(0);
    return Buffer.from(this.bytes.subarray(0, end < 0 ? undefined : end)).toString('utf8');
  }
  get nested(): Generator<Attribute, void, void> {
    return readAttributes(this.bytes);
  }

  #view(size: number): DataView {
    if (this.bytes.length < size) throw malformed();
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  }
}

/** Yields the attributes after a fixed part of `skip` bytes. @throws KernelFailure EBADMSG */
export function* readAttributes(payload: Uint8Array, skip = 0): Generator<Attribute, void, void> {
  if (payload.length < skip) throw malformed();
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  for (let at = skip; at < payload.length; ) {
    if (payload.length - at < 4) throw malformed();
    const length = view.getUint16(at, true);
    if (length < 4 || length > payload.length - at) throw malformed();
    yield new Attribute(view.getUint16(at + 2, true) & TYPE_MASK, payload.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
}
