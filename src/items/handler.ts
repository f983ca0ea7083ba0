import { IpvsError, type IpvsErrorCode } from '../common/errors.js';
import type { Before } from './before.js';
import type { Found, Item, ItemOf } from './items.js';
import type { Snapshot } from './snapshot.js';
import type { World } from './world.js';

/** Operations on the items of one kind. */
export interface Handler<Kind extends Item['kind']> {
  /** Returns the name of the item, in words: for people only. */
  name(item: ItemOf<Kind>): string;
  /** Returns the wanted state in words, if the name does not contain it. */
  wanted?(item: ItemOf<Kind>): string;
  /** Compares the item with the state of the kernel. `recorded` is what the owner made of that key before. */
  inspect(item: ItemOf<Kind>, snapshot: Snapshot, recorded?: Item): Found;
  /** Reads, before the item is made, the state that taking it back needs. */
  remember?(item: ItemOf<Kind>, world: World): Promise<Before>;
  /** Makes the item. `claimed` has the canonical paths of settings that owners want: those that a write resets are set again. */
  make(item: ItemOf<Kind>, world: World, claimed?: ReadonlySet<string>): Promise<void>;
  /**
   * Changes the found object to the wanted one. Without this method, a different object is not this owner's to change.
   */
  change?(item: ItemOf<Kind>, world: World, claimed?: ReadonlySet<string>): Promise<void>;
  /**
   * Reads the object back after it was made or changed.
   * @returns the item as the record needs it to recognise it later; undefined if that is the same
   */
  confirm?(item: ItemOf<Kind>, world: World, claimed?: ReadonlySet<string>): Promise<ItemOf<Kind> | undefined>;
  /**
   * Takes the item back if it still is what the owner made of it; an object that no longer exists is fine. `kept` has
   * the settings that stay for other owners, with the text that they get if they are as this item left them; undefined:
   * they stay as they are.
   */
  takeBack(
    item: ItemOf<Kind>,
    before: Before | undefined,
    world: World,
    kept?: ReadonlyMap<string, string | undefined>,
  ): Promise<void>;
}

/** Runs `work`, and ignores errors with these codes: an object that no longer exists need not be taken back. */
export async function unlessGone(codes: readonly IpvsErrorCode[], work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof IpvsError) || !codes.includes(error.code)) throw error;
  }
}
