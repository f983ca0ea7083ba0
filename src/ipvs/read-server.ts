import type { CallOptions } from '../kernel/call.js';
import { describeServerOf } from '../kernel/ipvs/describe.js';
import type { ServerEntry, ServerKey, ServiceKey } from '../kernel/ipvs/types.js';
import type { Context } from './context.js';
import { noServer } from './errors.js';

/**
 * Reads one server. The kernel can only list all servers of a service.
 * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER`, `ERR_IPVS_NO_SUCH_SERVICE`
 */
export async function readServerEntry(
  context: Context,
  service: ServiceKey,
  key: ServerKey,
  options?: CallOptions,
): Promise<ServerEntry> {
  const request = { command: 'GET_DEST', action: 'read server', object: describeServerOf(key, service) } as const;
  const servers = await context.ask({ ...request, options }, () => context.port.servers(service, options));
  const found = servers.find((entry) => {
    const { address, port } = entry.key;
    return address === key.address && port === key.port;
  });
  if (!found) throw noServer(request);
  return found;
}
