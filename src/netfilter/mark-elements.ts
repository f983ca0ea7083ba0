import type { NftBatchChange } from '../kernel/netfilter/changes.js';
import { NftElementList } from '../kernel/netfilter/elements.js';
import { mapText } from '../kernel/netfilter/names.js';
import type { NftMapElement, NftMapKey, NftMapName, NftMapShape } from '../kernel/netfilter/types.js';
import { keyOf, type MarkSettings } from './mark-options.js';

/** Lists of elements, one for each map. */
export class ElementLists implements Iterable<NftElementList> {
  readonly #lists = new Map<string, NftElementList>();

  [Symbol.iterator](): Iterator<NftElementList> {
    return this.#lists.values();
  }

  /** Returns the list of a map. Makes it with space for `expected` elements, if it does not exist. */
  of(map: NftMapName, expected?: number): NftElementList {
    const text = mapText(map);
    const found = this.#lists.get(text);
    if (found) return found;
    const list = new NftElementList(map, [], expected);
    this.#lists.set(text, list);
    return list;
  }
}

/** Changes of the elements of maps. Deletions come first, because the kernel changes an element by both. */
export class ElementChanges {
  readonly #deleted = new ElementLists();
  readonly #added = new ElementLists();
  readonly #lists: NftBatchChange[] = [];

  delete(map: NftMapName, key: NftMapKey): void {
    this.#deleted.of(map).push(key, 0);
  }

  add(map: NftMapName, key: NftMapKey, mark: number): void {
    this.#added.of(map).push(key, mark);
  }

  /** Adds a whole list, after all other changes. */
  append(change: 'add-elements' | 'delete-elements', elements: NftElementList): void {
    if (elements.length > 0) this.#lists.push({ change, elements });
  }

  changes(): NftBatchChange[] {
    return [
      ...Array.from(this.#deleted, (elements) => ({ change: 'delete-elements', elements }) as const),
      ...Array.from(this.#added, (elements) => ({ change: 'add-elements', elements }) as const),
      ...this.#lists,
    ];
  }
}

/** A kind of change of marks. */
export type MarkChange = 'added' | 'set' | 'deleted';

/** Marks that maps hold, as lists of elements: 100,000 of them are a few objects. */
export class MarkElements {
  readonly added = new ElementLists();
  readonly set = new ElementLists();
  readonly deleted = new ElementLists();
  readonly #places = new Map<string, KeyPlaces>();
  readonly #expected: number;
  /** The list of the last mark: consecutive marks are mostly for one map. */
  #last: { readonly kind: MarkChange; readonly list: NftElementList; readonly places: KeyPlaces } | undefined;

  /**
   * @param expected maximum number of marks. Space for them is reserved, but uses no memory before it is written: to
   * copy a growing table stops the event loop for 10 ms.
   */
  constructor(expected: number) {
    this.#expected = expected;
  }

  /** Adds a mark with the shape of its map. Returns the place of an earlier one for the same packets. */
  add(kind: MarkChange, shape: NftMapShape, { hook, match, mark }: MarkSettings, place: number): number | undefined {
    let last = this.#last;
    if (last?.kind !== kind || last.list.map.shape !== shape || last.list.map.hook !== hook) {
      const list = this[kind].of({ hook, shape }, this.#expected);
      last = { kind, list, places: this.#placesOf(list) };
      this.#last = last;
    }
    last.list.push(keyOf(match), mark);
    return last.places.add(last.list, place);
  }

  #placesOf(list: NftElementList): KeyPlaces {
    const text = mapText(list.map);
    const places = this.#places.get(text) ?? new KeyPlaces(list, this.#expected);
    this.#places.set(text, places);
    return places;
  }
}

/** Factor of Fibonacci hashing: 2^32 divided by the golden ratio. */
const FACTOR = 0x9e3779b1;

/**
 * Places of keys of one map, in a hash table with open addressing. A Map of texts takes seven times as long, and
 * 15 MiB for 100,000 keys instead of 3.
 */
class KeyPlaces {
  /** Number of words of a key. */
  readonly #words: number;
  readonly #keys: Uint32Array;
  readonly #places: Uint32Array;
  /** Number of a key plus 1, or 0. At most half of the slots are in use. */
  readonly #slots: Int32Array;
  #length = 0;

  /** @param most maximum number of keys */
  constructor({ layout }: NftElementList, most: number) {
    this.#words = layout.length / 4;
    this.#keys = new Uint32Array(most * this.#words);
    this.#places = new Uint32Array(most);
    this.#slots = new Int32Array(2 ** (33 - Math.clz32(most)));
  }

  /** Notes the place of the last element of the list. Returns the place of an earlier one with the same key. */
  add(list: NftElementList, place: number): number | undefined {
    const keys = this.#keys;
    const records = list.words;
    const words = this.#words;
    const at = this.#length * words;
    const from = (list.length - 1) * (words + 1);
    let hash = 0;
    for (let word = 0; word < words; word++) {
      const part = records[from + word] as number;
      keys[at + word] = part;
      hash = Math.imul(hash ^ part, FACTOR);
      hash ^= hash >>> 15;
    }
    const slot = this.#find(hash, at);
    const found = this.#slots[slot] as number;
    if (found > 0) return this.#places[found - 1];
    this.#places[this.#length++] = place;
    this.#slots[slot] = this.#length;
    return undefined;
  }

  /** Returns the slot of the key at `at`, or the free one where it belongs. */
  #find(hash: number, at: number): number {
    const slots = this.#slots;
    const most = slots.length - 1;
    for (let slot = hash & most; ; slot = (slot + 1) & most) {
      const found = slots[slot] as number;
      if (found === 0 || this.#isSame((found - 1) * this.#words, at)) return slot;
    }
  }

  #isSame(one: number, other: number): boolean {
    for (let word = 0; word < this.#words; word++)
      if (this.#keys[one + word] !== this.#keys[other + word]) return false;
    return true;
  }
}

/** Returns the elements for which `test` returns true. */
export function filterElements(list: NftElementList, test: (element: NftMapElement) => boolean): NftElementList {
  const kept = new NftElementList(list.map);
  for (const element of list) if (test(element)) kept.push(element, element.mark);
  return kept;
}
