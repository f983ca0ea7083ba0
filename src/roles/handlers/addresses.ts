import { Errno } from '../../kernel/errno.js';
import { IpvsError } from '../../kernel/errors.js';
import { resolveInterface } from '../../kernel/network/main-names.js';
import { type Item, type ItemOf, missing, other, right } from '../items.js';
import type { World } from '../world.js';
import { type Handler, unlessGone } from './handler.js';

export const address: Handler<'address'> = {
  name: (item) => `address ${item.address} on ${item.interface}`,

  /**
   * An address that lost duplicate address detection is there, and the kernel uses it for nothing. One that is still
   * tentative is another program's (detection is off for those made here): the kernel decides about it in a second.
   * A deprecated address, and one with a lifetime, takes packets like any other.
   */
  inspect(item, { addresses = [], links = [] }, recorded) {
    const name = resolveInterface(item.interface, links);
    // With another end it is another address.
    const found = addresses.find(
      (one) => one.address === item.address && one.interface === name && one.peer === undefined,
    );
    if (!found) return missing;
    if (found.duplicate) return other('unusable: duplicate address detection failed');
    return found.tentative && recorded ? other('tentative') : right;
  },

  async make(item, world) {
    const network = await world.network;
    // Duplicate address detection would find the other real servers, which have it, too.
    await network.addAddress({ interface: item.interface, address: item.address, noDad: item.address.includes(':') });
  },

  /** The kernel cannot end the detection of an address: it is added again, without. */
  async change(item, world) {
    await deleteAddress(item, world);
    await address.make(item, world);
  },

  async takeBack(item, _remembered, world) {
    await deleteAddress(item, world);
  },
};

async function deleteAddress(item: ItemOf<'address'>, world: World): Promise<void> {
  const network = await world.network;
  await unlessGone(['ERR_IPVS_NO_SUCH_ADDRESS', 'ERR_IPVS_NO_SUCH_INTERFACE'], () =>
    network.deleteAddress({ interface: item.interface, address: item.address }),
  );
}

/** Whether neighbours are to hear of it once it is made. */
export function isAnnounced(item: Item): item is ItemOf<'address'> {
  return item.kind === 'address' && item.announce === true;
}

/**
 * Sends the announcement of an address; false if its link is down. A frame that is sent on a link without a carrier
 * is lost without an error, so that the link is read first.
 */
export async function announceAddress(world: World, item: ItemOf<'address'>): Promise<boolean> {
  const network = await world.network;
  const [address = ''] = item.address.split('/');
  try {
    if (!(await network.link(item.interface)).running) return false;
    await network.announce({ interface: item.interface, address });
    return true;
  } catch (error) {
    const isAway = error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SUCH_INTERFACE';
    if (isAway || (error instanceof IpvsError && error.errno === Errno.ENETDOWN)) return false;
    throw error;
  }
}
