import type { SettingDifference, SettingValue } from '../ipvs/differences.js';
import { resolveInterface } from '../kernel/network/main-names.js';
import type { Link } from '../kernel/network/types.js';
import type { LinkOptions } from '../network/link-options.js';
import { type Handler, unlessGone } from './handler.js';
import { missing, other, right } from './items.js';

/** Returns the differences of a link of the wanted kind, as far as the data that was read shows them. */
function differencesOf(options: LinkOptions, { data }: Link): SettingDifference[] {
  const found = (data ?? {}) as Readonly<Record<string, SettingValue | undefined>>;
  return Object.entries(options).flatMap(([path, wanted]) => {
    const is = found[path];
    return typeof wanted === 'object' || is === undefined || is === wanted ? [] : [{ path, is, wanted }];
  });
}

export const link: Handler<'link'> = {
  name: ({ link: { kind, name } }) => `${kind} link ${name}`,

  inspect({ link: options }, { links = [] }, recorded) {
    const found = links.find((one) => one.name === options.name);
    if (!found) return missing;
    if (found.kind === options.kind) {
      const differences = differencesOf(options, found);
      return differences.length === 0 ? right : other(...differences);
    }
    const ours = recorded?.kind === 'link' && recorded.link.kind === found.kind;
    const differences = [{ path: 'kind', is: found.kind ?? null, wanted: options.kind }];
    return { state: ours ? 'other' : 'foreign', differences };
  },

  async make({ link: options }, world) {
    await (await world.network).addLink(options);
  },

  /**
   * Makes the link anew: the kernel changes neither its kind nor its ends. Everything on it has to be made again after
   * that.
   */
  async change({ link: options }, world) {
    const network = await world.network;
    await network.deleteLink(options.name);
    await network.addLink(options);
  },

  async takeBack({ link: { kind, name } }, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_INTERFACE'], async () => {
      if ((await network.link(name)).kind === kind) await network.deleteLink(name);
    });
  },
};

export const up: Handler<'up'> = {
  name: (item) => `link ${item.interface} up`,

  inspect(item, { links = [] }) {
    const name = resolveInterface(item.interface, links);
    const found = links.find((one) => one.name === name);
    if (!found) return missing;
    return found.up ? right : other({ path: 'up', is: false, wanted: true });
  },

  async make(item, world) {
    await (await world.network).updateLink(item.interface, { up: true });
  },

  async change(item, world) {
    await (await world.network).updateLink(item.interface, { up: true });
  },

  async takeBack(item, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_INTERFACE'], () => network.updateLink(item.interface, { up: false }));
  },
};

export const guePort: Handler<'gue-port'> = {
  name: ({ port }) => `GUE on UDP port ${port}`,

  inspect({ port, family }, { udpTunnels = [] }) {
    const found = udpTunnels.find((one) => one.port === port && one.family === family);
    if (!found) return missing;
    return found.type === 'gue' ? right : other({ path: 'type', is: found.type, wanted: 'gue' });
  },

  async make({ port, family }, world) {
    await (await world.network).addUdpTunnel({ type: 'gue', port, family });
  },

  async takeBack({ port, family }, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_UDP_TUNNEL', 'ERR_IPVS_NOT_AVAILABLE'], () =>
      network.deleteUdpTunnel({ port, family }),
    );
  },
};
