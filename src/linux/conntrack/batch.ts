import { RecordReader } from '../records.js';
import { HEADER_SIZE, layout } from './layout.js';

/** The records of one reply. Each field is read on demand. */
export class Batch extends RecordReader {
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

  /** Returns a part of the text after the records. */
  tail(offset: number, length: number): string {
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
