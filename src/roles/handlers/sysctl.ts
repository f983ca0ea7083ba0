import { IpvsError } from '../../kernel/errors.js';
import { ownValue } from '../../kernel/own.js';
import { missing, other, right } from '../items.js';
import type { Handler } from './handler.js';

/** The kernel sets this one, too, whenever forwarding is switched (inet_forward_change in net/ipv4/devinet.c). */
const FORWARDING = 'net/ipv4/ip_forward';
const REDIRECTS = 'net/ipv4/conf/all/accept_redirects';

/** The kernel writes numbers and the space between them in its own way. */
function isSame(one: string, other: string): boolean {
  const parts = (text: string): string[] =>
    text.split(/\s+/).map((part) => (/^(0x[0-9a-f]+|\d+)$/i.test(part) ? String(Number(part)) : part));
  return parts(one).join(' ') === parts(other).join(' ');
}

/** Below /proc/sys, with slashes: names of interfaces may hold dots. */
export const sysctl: Handler<'sysctl'> = {
  name: ({ name }) => `sysctl ${name}`,
  wanted: ({ value }) => value,

  inspect({ name, value, orMore }, { sysctls }) {
    const is = ownValue(sysctls, name) ?? undefined;
    if (is === undefined) return missing;
    const enough = isSame(is, value) || (orMore && Number(is) > Number(value));
    return enough ? right : other(is);
  },

  async remember({ name }, world) {
    const network = await world.network;
    const [, of] = /^net\/ipv[46]\/conf\/([^/]+)\//.exec(name) ?? [];
    if (of !== undefined && of !== 'all' && of !== 'default') await network.link(of); // says better what is missing
    const is = await network.sysctl(name);
    return name === FORWARDING ? `${is} ${await network.sysctl(REDIRECTS)}` : is;
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
      if (before === undefined || !isSame(await network.sysctl(name), value)) return;
      if (name !== FORWARDING) return void (await network.setSysctl(name, before));
      const [is = '', redirects] = before.split(' ');
      const untouched = (await network.sysctl(REDIRECTS)) === String(1 - Number(value));
      await network.setSysctl(name, is);
      if (untouched && redirects !== undefined) await network.setSysctl(REDIRECTS, redirects);
    } catch (error) {
      if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_NO_SUCH_SYSCTL') throw error;
    }
  },
};
