import { IpvsError } from '../../kernel/errors.js';
import { missing, other, right } from '../items.js';
import type { Handler } from './handler.js';

/** Below /proc/sys, with slashes: names of interfaces may hold dots. */
export const sysctl: Handler<'sysctl'> = {
  name: ({ name }) => `sysctl ${name}`,
  wanted: ({ value }) => value,

  async inspect({ name, value }, { world }) {
    try {
      const is = await (await world.network).sysctl(name);
      return is === value ? right : other(is);
    } catch (error) {
      // Of an interface or of ip_vs, which come first.
      if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SUCH_SYSCTL') return missing;
      throw error;
    }
  },

  async remember({ name }, world) {
    return (await world.network).sysctl(name);
  },

  async make({ name, value }, world) {
    await (await world.network).setSysctl(name, value);
  },

  async change({ name, value }, world) {
    await (await world.network).setSysctl(name, value);
  },

  async takeBack({ name, value }, before, world) {
    const network = await world.network;
    try {
      if (before === undefined || (await network.sysctl(name)) !== value) return;
      await network.setSysctl(name, before);
    } catch (error) {
      if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_NO_SUCH_SYSCTL') throw error;
    }
  },
};
