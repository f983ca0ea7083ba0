import { IpvsError, type IpvsErrorCode } from '../../kernel/errors.js';
import type { Found, Item, ItemOf } from '../items.js';
import type { Snapshot } from '../snapshot.js';
import type { World } from '../world.js';

/** What can be done with the items of one kind. */
export interface Handler<Kind extends Item['kind']> {
  /** In words. */
  name(item: ItemOf<Kind>): string;
  /** The same for the same thing, whatever it is to be like. Default: the name. */
  key?(item: ItemOf<Kind>): string;
  /** How it is to be, if the name does not say it. */
  wanted?(item: ItemOf<Kind>): string;
  /** `recorded`: what the owner made of that key before. */
  inspect(item: ItemOf<Kind>, snapshot: Snapshot, recorded?: Item): Found;
  /** What has to be known to take it back; asked before it is made. JSON. */
  remember?(item: ItemOf<Kind>, world: World): Promise<string>;
  /** `claimed`: settings that owners want, by their keys; what a write resets of them is set again. */
  make(item: ItemOf<Kind>, world: World, claimed?: ReadonlySet<string>): Promise<void>;
  /** From what was found to what is wanted. Without it, what is there otherwise is not this owner's to change. */
  change?(item: ItemOf<Kind>, world: World, claimed?: ReadonlySet<string>): Promise<void>;
  /**
   * Reads back what was made or changed.
   * @returns the item as the record needs it to recognise it later; undefined if that is the same
   */
  confirm?(item: ItemOf<Kind>, world: World, claimed?: ReadonlySet<string>): Promise<ItemOf<Kind> | undefined>;
  /**
   * If it still is what the owner made of it; what is gone already is fine. `kept`: settings that stay for other
   * owners, with the text that they get if they are as this item left them; undefined: they stay as they are.
   */
  takeBack(
    item: ItemOf<Kind>,
    remembered: string | undefined,
    world: World,
    kept?: ReadonlyMap<string, string | undefined>,
  ): Promise<void>;
}

/** What is gone already need not be taken back. */
export async function unlessGone(codes: readonly IpvsErrorCode[], work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof IpvsError) || !codes.includes(error.code)) throw error;
  }
}
