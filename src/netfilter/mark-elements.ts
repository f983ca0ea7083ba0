import type { NftBatchChange } from '../kernel/netfilter/changes.js';
import { NftElementList } from '../kernel/netfilter/elements.js';
import { mapText } from '../kernel/netfilter/names.js';
import type { NftMapElement, NftMapKey, NftMapName } from '../kernel/netfilter/types.js';

/** Lists of elements, one for each map. */
export class ElementLists implements Iterable<NftElementList> {
  readonly #lists = new Map<string, NftElementList>();

  [Symbol.iterator](): Iterator<NftElementList> {
    return this.#lists.values();
  }

  /** Returns the list of a map. Makes it, if it does not exist. */
  of(map: NftMapName): NftElementList {
    const text = mapText(map);
    const list = this.#lists.get(text) ?? new NftElementList(map);
    if (list.length === 0) this.#lists.set(text, list);
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

/** Marks that maps hold, as lists of elements: 100,000 of them are a few objects. */
export class MarkElements {
  readonly added = new ElementLists();
  readonly set = new ElementLists();
  readonly deleted = new ElementLists();
  readonly #places = new Map<string, KeyPlaces>();

  /** Adds a mark. Returns the place of an earlier one for the same packets. */
  add(kind: 'added' | 'set' | 'deleted', map: NftMapName, key: NftMapKey, mark: number, place: number) {
    const list = this[kind].of(map);
    list.push(key, mark);
    const text = mapText(map);
    const places = this.#places.get(text) ?? new KeyPlaces(list);
    if (list.length === 1) this.#places.set(text, places);
    return places.add(list, place);
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
  #keys: Uint32Array;
  #places: Uint32Array;
  /** Number of a key plus 1, or 0. At most half of the slots are in use. */
  #slots: Int32Array;
  #length = 0;

  constructor({ layout }: NftElementList) {
    this.#words = layout.length / 4;
    this.#slots = new Int32Array(16);
    this.#keys = new Uint32Array(8 * this.#words);
    this.#places = new Uint32Array(8);
  }

  /** Notes the place of the last element of the list. Returns the place of an earlier one with the same key. */
  add(list: NftElementList, place: number): number | undefined {
    if (this.#length === this.#places.length) this.#grow();
    const at = this.#length * this.#words;
    const from = (list.length - 1) * (list.size / 4);
    for (let word = 0; word < this.#words; word++) this.#keys[at + word] = list.words[from + word] as number;
    const slot = this.#find(at);
    const found = this.#slots[slot] as number;
    if (found > 0) return this.#places[found - 1];
    this.#places[this.#length++] = place;
    this.#slots[slot] = this.#length;
    return undefined;
  }

  /** Returns the slot of the key at `at`, or the free one where it belongs. */
  #find(at: number): number {
    const keys = this.#keys;
    const words = this.#words;
    let hash = 0;
    for (let word = 0; word < words; word++) {
      hash = Math.imul(hash ^ (keys[at + word] as number), FACTOR);
      hash ^= hash >>> 15;
    }
    const most = this.#slots.length - 1;
    for (let slot = hash & most; ; slot = (slot + 1) & most) {
      const found = this.#slots[slot] as number;
      if (found === 0 || this.#isSame((found - 1) * words, at)) return slot;
    }
  }

  #isSame(one: number, other: number): boolean {
    for (let word = 0; word < this.#words; word++)
      if (this.#keys[one + word] !== this.#keys[other + word]) return false;
    return true;
  }

  #grow(): void {
    const keys = new Uint32Array(this.#keys.length * 2);
    const places = new Uint32Array(this.#places.length * 2);
    keys.set(this.#keys);
    places.set(this.#places);
    this.#keys = keys;
    this.#places = places;
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let key = 0; key < this.#length; key++) this.#slots[this.#find(key * this.#words)] = key + 1;
  }
}

/** Returns the elements for which `test` returns true. */
export function filterElements(list: NftElementList, test: (element: NftMapElement) => boolean): NftElementList {
  const kept = new NftElementList(list.map);
  for (const element of list) if (test(element)) kept.push(element, element.mark);
  return kept;
}
