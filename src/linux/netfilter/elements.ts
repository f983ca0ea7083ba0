import type { NftElementList } from '../../kernel/netfilter/elements.js';
import { NFTA_DATA_VALUE, NFTA_LIST_ELEM, NFTA_SET_ELEM } from './attributes.js';

const NESTED = 0x8000;
/** Size of the header of an attribute, in bytes. */
const HEADER = 4;
/** Maximum content of an attribute, in bytes: its length (nla_len) has 16 bits. */
const MOST_CONTENT = 0xffff - HEADER;

/** Returns the header of an attribute as one number in host order. */
function header(type: number, content: number): number {
  return ((type << 16) | (HEADER + content)) >>> 0;
}

/** Writes elements of one list as the content of NFTA_SET_ELEM_LIST_ELEMENTS. */
export class ElementEncoder {
  /** Size of an element, in words of 4 bytes. */
  readonly words: number;
  /** Maximum number of elements that fit one attribute. */
  readonly most: number;
  readonly #list: NftElementList;
  /** The attributes of an element, with space for its key and its mark. */
  readonly #frame: Uint32Array;
  readonly #withMark: boolean;

  constructor(list: NftElementList, withMark: boolean) {
    const key = list.layout.length;
    const content = 2 * HEADER + key + (withMark ? 3 * HEADER : 0);
    this.#list = list;
    this.#withMark = withMark;
    this.words = (HEADER + content) / 4;
    this.most = Math.floor(MOST_CONTENT / (HEADER + content));
    this.#frame = Uint32Array.from([
      header(NFTA_LIST_ELEM | NESTED, content),
      header(NFTA_SET_ELEM.KEY | NESTED, HEADER + key),
      header(NFTA_DATA_VALUE, key),
      ...Array.from({ length: key / 4 }, () => 0),
      ...(withMark ? [header(NFTA_SET_ELEM.DATA | NESTED, 2 * HEADER), header(NFTA_DATA_VALUE, HEADER), 0] : []),
    ]);
  }

  /** Writes the elements from `first` on, as many as there is space for. */
  encode(space: Uint32Array, first: number): void {
    // Copies words: calls for each attribute take ten times as long, and a table has up to a million elements.
    const { words: records, size } = this.#list;
    const frame = this.#frame;
    const keyWords = size / 4 - 1;
    let from = (first * size) / 4;
    for (let at = 0; at < space.length; at += frame.length) {
      for (let word = 0; word < frame.length; word++) space[at + word] = frame[word] as number;
      for (let word = 0; word < keyWords; word++) space[at + 3 + word] = records[from++] as number;
      const mark = records[from++] as number;
      if (this.#withMark) space[at + frame.length - 1] = mark;
    }
  }
}
