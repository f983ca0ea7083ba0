import { invalid } from '../../common/errors.js';

/** Flags of a message (include/uapi/linux/netlink.h). */
export const NLM_F = {
  REQUEST: 1,
  MULTI: 2,
  ACK: 4,
  ROOT: 0x100,
  MATCH: 0x200,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;

const HEADER = 16;
const NESTED = 0x8000;
/** Length up to which a loop copies bytes faster than `set()`. */
const SMALL = 32;
/** Maximum content of an attribute with its nested attributes, in bytes: its length (nla_len) has 16 bits. */
const MOST_CONTENT = 0xffff - 4;
/** Maximum size of all messages together, in bytes: a length (nlmsg_len) and an offset have 32 bits. */
const MOST = 0xffffffff;

/** Consecutive messages, in the form of the addon, which assigns the sequence numbers when it sends them. */
export interface Messages {
  readonly bytes: Uint8Array;
  /** Offset of each message, in bytes. */
  readonly offsets: Uint32Array;
}

/**
 * Writes netlink messages: a header, a fixed part, attributes. Numbers are in host order, except those of `be` methods.
 * Content that is too long for its length field throws `ERR_IPVS_INVALID_ARGUMENT`, and nothing is sent.
 */
export class MessageWriter {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #offsets: number[] = [];
  readonly #most: number;

  /** @param most maximum size of all messages together, in bytes */
  constructor(most: number = MOST) {
    this.#most = most;
  }

  /** Number of messages. */
  get count(): number {
    return this.#offsets.length;
  }

  /** Size of all messages so far, in bytes. */
  get size(): number {
    return this.#length;
  }

  /** Writes a message. `content` writes its fixed part and its attributes. */
  message(type: number, flags: number, content: () => void): void {
    const start = this.#length;
    this.#offsets.push(start);
    this.#grow(HEADER);
    this.#view.setUint16(start + 4, type, true);
    this.#view.setUint16(start + 6, flags, true);
    this.#length += HEADER;
    content();
    this.#limit(this.#length);
    this.#view.setUint32(start, this.#length - start, true);
  }

  /** Writes the fixed part after the header, such as an ifinfomsg. */
  fixed(bytes: Uint8Array): void {
    this.#append(bytes);
  }

  bytes(type: number, value: Uint8Array): void {
    this.#attribute(type, value.length);
    this.#append(value);
  }

  /** Writes a text with its terminating NUL. */
  text(type: number, value: string): void {
    // Copies ASCII in a loop for speed: names are short, and bulk changes write tens of thousands.
    const start = this.#length;
    this.#attribute(type, value.length + 1);
    this.#grow(align(value.length + 1));
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.#bytes.fill(0, start, this.#length + i);
        this.#length = start;
        this.bytes(type, Buffer.from(`${value}\0`, 'utf8'));
        return;
      }
      this.#bytes[this.#length + i] = code;
    }
    this.#length += align(value.length + 1);
  }

  u8(type: number, value: number): void {
    this.#number(type, 1, (at) => this.#view.setUint8(at, value));
  }
  u16(type: number, value: number): void {
    this.#number(type, 2, (at) => this.#view.setUint16(at, value, true));
  }
  u32(type: number, value: number): void {
    this.#number(type, 4, (at) => this.#view.setUint32(at, value, true));
  }
  i32(type: number, value: number): void {
    this.#number(type, 4, (at) => this.#view.setInt32(at, value, true));
  }
  be16(type: number, value: number): void {
    this.#number(type, 2, (at) => this.#view.setUint16(at, value));
  }
  be32(type: number, value: number): void {
    this.#number(type, 4, (at) => this.#view.setUint32(at, value));
  }
  be64(type: number, value: bigint): void {
    this.#number(type, 8, (at) => this.#view.setBigUint64(at, value));
  }

  /**
   * Writes an attribute that contains attributes, which the caller writes as words in host order. `words` is the length
   * of the content. The result is valid until the next call of another method.
   */
  nestedWords(type: number, words: number): Uint32Array {
    this.#attribute(type | NESTED, words * 4);
    this.#grow(words * 4);
    const content = new Uint32Array(this.#bytes.buffer, this.#length, words);
    this.#length += words * 4;
    return content;
  }

  /** Writes an attribute that contains attributes. */
  nest(type: number, content: () => void): void {
    const start = this.#length;
    this.#attribute(type | NESTED, 0);
    content();
    checkContent(type, this.#length - start - 4);
    this.#view.setUint16(start, this.#length - start, true);
  }

  take(): Messages {
    return { bytes: this.#bytes.subarray(0, this.#length), offsets: Uint32Array.from(this.#offsets) };
  }

  /** Removes all messages, but keeps the memory for others. The result of {@link take} is then invalid. */
  clear(): void {
    this.#bytes.fill(0, 0, this.#length);
    this.#length = 0;
    this.#offsets.length = 0;
  }

  #number(type: number, size: number, write: (at: number) => void): void {
    this.#attribute(type, size);
    this.#grow(align(size));
    write(this.#length);
    this.#length += align(size);
  }

  #attribute(type: number, size: number): void {
    checkContent(type, size);
    this.#grow(4);
    this.#view.setUint16(this.#length, size + 4, true);
    this.#view.setUint16(this.#length + 2, type, true);
    this.#length += 4;
  }

  #append(bytes: Uint8Array): void {
    this.#grow(align(bytes.length));
    // A call of set() costs more than copying a few bytes.
    if (bytes.length > SMALL) this.#bytes.set(bytes, this.#length);
    else for (let i = 0; i < bytes.length; i++) this.#bytes[this.#length + i] = bytes[i] as number;
    this.#length += align(bytes.length);
  }

  #limit(length: number): void {
    if (length > this.#most) throw invalid(`the netlink messages take more than ${this.#most} bytes`);
  }

  /** Makes space for `more` bytes. The space after the length is zero, so padding needs no code. */
  #grow(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    this.#limit(this.#length + more);
    const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
function checkContent(type: number, size: number): void {
  if (size <= MOST_CONTENT) return;
  throw invalid(`netlink attribute ${type & ~NESTED} holds ${size} bytes, and netlink takes at most ${MOST_CONTENT}`);
}

function align(size: number): number {
  return (size + 3) & ~3;
}
