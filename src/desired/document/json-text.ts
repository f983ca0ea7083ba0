import { forEachInSlices } from '../../common/slices.js';

/** Value of a JSON text. */
export interface JsonText {
  readonly value: unknown;
  /** A name that an object of the text has twice: `JSON.parse` takes the last value. */
  readonly repeated: string | undefined;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Parses a JSON text. Lets the event loop turn between the entries of the lists of the outermost object, each of which
 * is parsed individually: `JSON.parse` of a text of 16 MiB takes a tenth of a second.
 * @throws SyntaxError; the reason of the signal
 */
export async function parseJson(text: string, signal?: AbortSignal): Promise<JsonText> {
  const scanner = new Scanner(text);
  await forEachInSlices(scanner.entries(), ({ of, start, end }) => of.push(JSON.parse(text.slice(start, end))), signal);
  return scanner.end();
}

/** An entry of a list of the outermost object. */
interface Entry {
  readonly of: unknown[];
  readonly start: number;
  readonly end: number;
}

/** Finds the lists of the outermost object, their entries, and names that occur twice. The text may be invalid. */
class Scanner {
  readonly #text: string;
  /** Names of the open objects; undefined for a list. */
  readonly #open: (Set<string> | undefined)[] = [];
  /** Lists of the outermost object, by their names. */
  readonly #lists = new Map<string, unknown[]>();
  /** The text without the entries of these lists. */
  #frame = '';
  #name = '';
  #repeated: string | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Yields the entries. An entry of invalid text may be anything, also empty: `JSON.parse` rejects it. */
  *entries(): Generator<Entry, void, void> {
    const text = this.#text;
    const open = this.#open;
    let list: unknown[] | undefined; // the list of the outermost object in which the position is
    let start = 0; // of the entry, or of the part of the frame
    for (let at = 0; at < text.length; at++) {
      const character = text.charCodeAt(at);
      if (character === QUOTE) at = this.#string(at) - 1;
      else if (character === OBJECT) open.push(new Set());
      else if (character === LIST) {
        open.push(undefined);
        if (open.length !== 2 || !open[0] || this.#name === '__proto__') continue;
        list = [];
        this.#lists.set(this.#name, list);
        this.#frame += text.slice(start, at + 1);
        start = at + 1;
      } else if (list && open.length === 2 && (character === COMMA || character === LIST_END)) {
        // The frame keeps the white space of an empty list.
        const isEmpty = character === LIST_END && list.length === 0 && text.slice(start, at).trim() === '';
        if (!isEmpty) {
          yield { of: list, start, end: at };
          start = character === COMMA ? at + 1 : at;
        }
        if (character === COMMA) continue;
        open.pop();
        list = undefined;
      } else if (character === OBJECT_END || character === LIST_END) open.pop();
    }
    this.#frame += text.slice(start);
  }

  /** @throws SyntaxError */
  end(): JsonText {
    const value = JSON.parse(this.#frame) as Record<string, unknown>;
    for (const [name, list] of this.#lists) value[name] = list;
    return { value, repeated: this.#repeated };
  }

  /** Notes the string if it is a name. Returns the position after it. */
  #string(start: number): number {
    const text = this.#text;
    let end = start + 1;
    while (end < text.length && text.charCodeAt(end) !== QUOTE) end += text.charCodeAt(end) === BACKSLASH ? 2 : 1;
    end++;
    const known = this.#open.at(-1);
    if (!known || !isName(text, end)) return end;
    const name = JSON.parse(text.slice(start, end)) as string;
    if (known.has(name)) this.#repeated ??= name;
    known.add(name);
    if (this.#open.length === 1) this.#name = name;
    return end;
  }
}

/** Returns true if a colon follows. */
function isName(text: string, end: number): boolean {
  let at = end;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at++;
  return text.charCodeAt(at) === COLON;
}
