import { IpvsError } from '../../kernel/errors.js';
import type { Difference } from '../../netfilter/differences.js';
import { missing, other, right } from '../items.js';
import type { Handler } from './handler.js';

/** All marks and NAT rules of a role: one table, which is its own. */
export const netfilter: Handler<'netfilter'> = {
  name: ({ owner }) => `nf_tables table inet ${owner}`,
  wanted: ({ state: { marks = [], rules = [] } }) => `${marks.length} marks, ${rules.length} rules`,

  async inspect({ owner, state }, { world }) {
    let differences: Difference[];
    try {
      differences = await (await world.netfilter(owner)).check(state);
    } catch (error) {
      if (error instanceof IpvsError && error.code === 'ERR_IPVS_FOREIGN')
        return { state: 'foreign', is: 'one of that name that another program made' };
      throw error;
    }
    if (differences.length === 0) return right;
    if (differences.some(({ problem, what }) => problem === 'missing' && what === 'the table')) return missing;
    return other(differences.map(({ problem, what }) => `${problem}: ${what}`).join('; '));
  },

  async make({ owner, state }, world) {
    await (await world.netfilter(owner)).set(state);
  },

  async change({ owner, state }, world) {
    await (await world.netfilter(owner)).set(state);
  },

  async takeBack({ owner }, _remembered, world) {
    await (await world.netfilter(owner)).delete();
  },
};
