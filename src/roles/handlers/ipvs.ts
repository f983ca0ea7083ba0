import { inspect } from 'node:util';
import { describeServer, describeService } from '../../ipvs/describe.js';
import { checkServerKey } from '../../ipvs/server-options.js';
import { checkServiceKey, type NewServiceKey } from '../../ipvs/service-options.js';
import { formatEndpoint } from '../../kernel/address.js';
import { missing, other, right } from '../items.js';
import { type Handler, unlessGone } from './handler.js';

function nameOf(selector: NewServiceKey): string {
  return describeService(checkServiceKey(selector));
}

export const service: Handler<'service'> = {
  name: ({ service: options }) => `service ${nameOf(options)}`,
  wanted: ({ service: { scheduler = 'wlc' } }) => scheduler,

  async inspect({ service: options }, { services }) {
    const row = (await services).get(nameOf(options));
    if (!row) return missing;
    return row.service.matches(options) ? right : other(inspect(row.service));
  },

  async make({ service: options }, world) {
    await (await world.ipvs).addService(options);
  },

  async change({ service: options }, world) {
    const [result] = await (await world.ipvs).apply([{ change: 'set-service', service: options }]);
    if (result && !result.ok) throw result.error;
  },

  async takeBack({ service: options }, _remembered, world) {
    const ipvs = await world.ipvs;
    await unlessGone(['ERR_IPVS_NO_SUCH_SERVICE'], async () => (await ipvs.service(options)).delete());
  },
};

export const server: Handler<'server'> = {
  name: ({ service: of, server: options }) => {
    const { address, port } = checkServerKey(options, checkServiceKey(of));
    return `server ${formatEndpoint(address, port)} of ${nameOf(of)}`;
  },
  wanted: ({ server: { forwarding = 'nat', weight = 1 } }) => `${forwarding}, weight ${weight}`,

  async inspect({ service: of, server: options }, { services }) {
    const row = (await services).get(nameOf(of));
    const found = row?.servers.get(describeServer(checkServerKey(options, checkServiceKey(of))));
    if (!found) return missing;
    return found.matches(options) ? right : other(inspect(found));
  },

  async make({ service: of, server: options }, world) {
    await (await (await world.ipvs).service(of)).addServer(options);
  },

  async change({ service: of, server: options }, world) {
    const [result] = await (await world.ipvs).apply([{ change: 'set-server', service: of, server: options }]);
    if (result && !result.ok) throw result.error;
  },

  async takeBack({ service: of, server: options }, _remembered, world) {
    const ipvs = await world.ipvs;
    const { address, port } = checkServerKey(options, checkServiceKey(of));
    await unlessGone(['ERR_IPVS_NO_SUCH_SERVICE', 'ERR_IPVS_NO_SUCH_SERVER'], async () => {
      await (await (await ipvs.service(of)).server({ address, port })).delete();
    });
  },
};
