import type { SettingDifference, SettingValue } from '../ipvs/differences.js';
import { type Handler, unlessGone } from './handler.js';
import { missing, right } from './items.js';

/** Returns true if `is` has all the wanted values. */
function agrees(wanted: object, is: object): boolean {
  return differencesOf(wanted, is).length === 0;
}

function differencesOf(wanted: object, is: object): SettingDifference[] {
  const found = is as Readonly<Record<string, SettingValue | undefined>>;
  return Object.entries(wanted).flatMap(([path, value]) =>
    value === undefined || found[path] === value ? [] : [{ path, is: found[path] ?? null, wanted: value }],
  );
}

export const route: Handler<'route'> = {
  name: ({ route: { type = 'unicast', destination, table = 254 } }) => `${type} route ${destination} in table ${table}`,

  inspect({ route: wanted }, { routes = [] }) {
    const { table = 254, family = 'ipv4' } = wanted;
    const among = routes.filter((one) => one.table === table && one.family === family);
    if (among.some((one) => agrees(wanted, one))) return right;
    const there = among.find((one) => one.destination === wanted.destination && one.metric === (wanted.metric ?? 0));
    return there ? { state: 'foreign', differences: differencesOf(wanted, there) } : missing;
  },

  async make({ route: options }, world) {
    await (await world.network).addRoute(options);
  },

  async takeBack({ route: options }, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_ROUTE', 'ERR_IPVS_NO_SUCH_INTERFACE'], () => network.deleteRoute(options));
  },
};

export const routingRule: Handler<'routing-rule'> = {
  name: ({ rule: { family, mark, table } }) => `${family} rule for mark ${mark ?? 'any'} to table ${table}`,

  inspect({ rule: wanted }, { rules = [] }) {
    return rules.some((one) => agrees(wanted, one)) ? right : missing;
  },

  async make({ rule: options }, world) {
    await (await world.network).addRule(options);
  },

  async takeBack({ rule: options }, _remembered, world) {
    const network = await world.network;
    await unlessGone(['ERR_IPVS_NO_SUCH_RULE'], () => network.deleteRule(options));
  },
};
