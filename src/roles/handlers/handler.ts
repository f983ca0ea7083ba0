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
  make(item: ItemOf<Kind>, world: World): Promise<void>;
  /** From what was found to what is wanted. Without it, what is there otherwise is not this owner's to change. */
  change?(item: ItemOf<Kind>, world: World): Promise<void>;
  /** If it still is what the owner made of it; what is gone already is fine. */
  takeBack(item: ItemOf<Kind>, remembered: string | undefined, world: World): Promise<void>;
}

/** What is gone already need not be taken back. */
export async function unlessGone(codes: readonly IpvsErrorCode[], work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof IpvsError) || !codes.includes(error.code)) throw error;
  }
}
