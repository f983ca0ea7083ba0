import { Errno } from '../common/errno.js';
import { IpvsError } from '../common/errors.js';
import { resolveInterface } from '../kernel/network/main-names.js';
import { type Handler, unlessGone } from './handler.js';
import { type Item, type ItemOf, missing, other, right } from './items.js';
import type { World } from './world.js';

export const address: Handler<'address'> = {
  name: (item) => `address ${item.address} on ${item.interface}`,

  /**
   * An address that failed duplicate address detection exists, but the kernel does not use it. A tentative one is
   * another program's (this module adds addresses without detection): the kernel decides about it within a second. A
   * deprecated address, and one with a lifetime, takes packets like any other.
   */
  inspect(item, { addresses = [], links = [] }, recorded) {
    const name = resolveInterface(item.interface, links);
    // An address with a peer is another address.
    const found = addresses.find(
      (one) => one.address === item.address && one.interface === name && one.peer === undefined,
    );
    if (!found) return missing;
    if (found.duplicate) return other({ path: 'state', is: 'duplicate', wanted: 'usable' });
    return found.tentative && recorded ? other({ path: 'state', is: 'tentative', wanted: 'usable' }) : right;
  },

  async make(item, world) {
    const network = await world.network;
    // Duplicate address detection would find the other real servers, which have the address, too.
    await network.addAddress({ interface: item.interface, address: item.address, noDad: item.address.includes(':') });
  },

  /** Deletes the address, and adds it without detection: the kernel cannot end a detection. */
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

/** Returns true if the address has to be announced to the neighbours once it is made. */
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
