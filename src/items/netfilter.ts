import { ownValue } from '../common/own.js';
import { compareState } from '../netfilter/netfilter.js';
import type { Handler } from './handler.js';
import { missing, right } from './items.js';

/** Handles all marks and NAT rules of a role: one table, which is its own. */
export const netfilter: Handler<'netfilter'> = {
  name: ({ owner }) => `nf_tables table inet ${owner}`,
  wanted: ({ state: { marks = [], rules = [] } }) => `${marks.length} marks, ${rules.length} rules`,

  inspect({ owner, state }, { netfilter, links }) {
    const table = ownValue(netfilter, owner) ?? undefined;
    if (table === 'foreign') return { state: 'foreign', differences: [] };
    const differences = compareState(table, state, links);
    if (differences.length === 0) return right;
    if (table === undefined) return missing;
    return { state: 'other', differences: [], content: differences };
  },

  /** Reads the content of an existing table of that name: its record was lost. */
  async remember({ owner }, world) {
    const netfilter = await world.netfilter(owner);
    const marks = (await netfilter.marks()).map(({ selector, mark }) => ({ ...selector, mark }));
    const rules = (await netfilter.rules()).map(({ rule }) => rule);
    return { kind: 'netfilter', state: { marks, rules } };
  },

  async make({ owner, state }, world) {
    await (await world.netfilter(owner)).set(state);
  },

  async change({ owner, state }, world) {
    await (await world.netfilter(owner)).set(state);
  },

  async takeBack({ owner }, before, world) {
    await (await world.netfilter(owner)).set(before?.kind === 'netfilter' ? before.state : {});
  },
};
