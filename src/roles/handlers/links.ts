import { missing, other, right } from '../items.js';
import { type Handler, unlessGone } from './handler.js';

export const link: Handler<'link'> = {
  name: ({ link: { kind, name } }) => `${kind} link ${name}`,

  async inspect({ link: { kind, name } }, { links }) {
    const found = (await links).find((one) => one.name === name);
    if (!found) return missing;
    return found.kind === kind ? right : other(`a ${found.kind} link`);
  },

  async make({ link: options }, world) {
    await (await world.network).addLink(options);
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

  async inspect(item, { links }) {
    const found = (await links).find((one) => one.name === item.interface);
    if (!found) return missing;
    return found.up ? right : other('down');
  },

  async make(item, world) {
    await (await world.network).setLink(item.interface, { up: true });
  },

  async change(item, world) {
    await (await world.network).setLink(item.interface, { up: true });
  },

  async takeBack(item, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_INTERFACE'], () => network.setLink(item.interface, { up: false }));
  },
};

export const guePort: Handler<'gue-port'> = {
  name: ({ port }) => `GUE on UDP port ${port}`,

  async inspect({ port, family }, { world }) {
    const ports = await (await world.network).udpTunnels();
    const found = ports.find((one) => one.port === port && one.family === family);
    if (!found) return missing;
    return found.type === 'gue' ? right : other(`a port for ${found.type}`);
  },

  async make({ port, family }, world) {
    await (await world.network).addUdpTunnel({ type: 'gue', port, family });
  },

  async takeBack({ port, family }, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_INTERFACE'], () => network.deleteUdpTunnel({ port, family }));
  },
};
