import type { ItemId } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import type { World } from '../../items/world.js';
import type { Link } from '../../kernel/network/types.js';
import { interfaceOf, otherNameOf } from '../plan/renames.js';
import type { Entry, Ledger, Line } from '../record/ledger.js';

/** Finds the indexes of interfaces. Reads the links once, and again after a link is made. */
export class Interfaces {
  readonly #world: World;
  readonly #ledger: () => Ledger;
  #links: readonly Link[] | undefined;

  constructor(world: World, ledger: () => Ledger) {
    this.#world = world;
    this.#ledger = ledger;
  }

  /** Returns the index of the interface that an item is on; undefined if it is on none, or none has that name. */
  async indexOf(item: Item): Promise<number | undefined> {
    const name = interfaceOf(item);
    if (name === undefined) return undefined;
    return find(name, await this.#read()) ?? find(name, await this.#readAgain());
  }

  /** Returns the current name of the link of an entry, if it is not the wanted one. */
  async otherName(entry: Entry | undefined): Promise<string | undefined> {
    if (entry?.index === undefined || entry.item.kind !== 'link') return undefined;
    return otherNameOf(entry, await this.#readAgain());
  }

  /**
   * Returns the lines that record the index of a link that was just made: for itself, and for entries on the link that
   * it replaces.
   */
  async made(id: ItemId, replaced: number | undefined): Promise<Line[]> {
    const ledger = this.#ledger();
    const entry = ledger.find(id);
    if (!entry) return [];
    this.#links = undefined;
    const index = await this.indexOf(entry.item);
    if (index === undefined) return [];
    const on = ledger.entries.filter((other) => other === entry || isOn(other, replaced));
    return on.map((other) => ({ put: { ...other, index } }));
  }

  async #read(): Promise<readonly Link[]> {
    return this.#links ?? (await this.#readAgain());
  }

  async #readAgain(): Promise<readonly Link[]> {
    this.#links = await (await this.#world.network).links();
    return this.#links;
  }
}

function isOn(entry: Entry, index: number | undefined): boolean {
  return index !== undefined && entry.index === index;
}

function find(name: string, links: readonly Link[]): number | undefined {
  return links.find((link) => link.name === name || link.alternativeNames.includes(name))?.index;
}
