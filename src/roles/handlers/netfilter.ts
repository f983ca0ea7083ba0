import { missing, other, right } from '../items.js';
import type { Handler } from './handler.js';

/** All marks and NAT rules of a role: one table, which is its own. */
export const netfilter: Handler<'netfilter'> = {
  name: ({ owner }) => `nf_tables table inet ${owner}`,
  wanted: ({ state: { marks = [], rules = [] } }) => `${marks.length} marks, ${rules.length} rules`,

  async inspect({ owner, state }, { world }) {
    const differences = await (await world.netfilter(owner)).check(state);
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
