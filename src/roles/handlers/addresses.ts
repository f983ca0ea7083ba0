import { resolveInterface } from '../../kernel/network/main-names.js';
import { missing, right } from '../items.js';
import { type Handler, unlessGone } from './handler.js';

export const address: Handler<'address'> = {
  name: (item) => `address ${item.address} on ${item.interface}`,

  inspect(item, { addresses = [], links = [] }) {
    const name = resolveInterface(item.interface, links);
    // With another end it is another address.
    const found = addresses.some(
      (one) => one.address === item.address && one.interface === name && one.peer === undefined,
    );
    return found ? right : missing;
  },

  async make(item, world) {
    const network = await world.network;
    // Duplicate address detection would find the other real servers, which have it, too.
    await network.addAddress({ interface: item.interface, address: item.address, noDad: item.address.includes(':') });
    const [plain = ''] = item.address.split('/');
    if (item.announce) await network.announce({ interface: item.interface, address: plain });
  },

  async takeBack(item, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_ADDRESS', 'ERR_IPVS_NO_SUCH_INTERFACE'], () =>
      network.deleteAddress({ interface: item.interface, address: item.address }),
    );
  },
};
