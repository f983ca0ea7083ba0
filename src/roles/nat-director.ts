import { at, checkAddress, checkOptions, checkRange, invalidAt, namesOf, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { ranges } from '../common/ranges.js';
import type { Part } from '../items/items.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import type { NetfilterRuleOptions } from '../netfilter/rule-options.js';
import {
  distinctServices,
  hostAddress,
  ipvsSysctls,
  list,
  netfilterItem,
  type ServiceWithServers,
  serviceItems,
  sysctlItem,
} from './parts.js';

/** Bit of the mark that requests masquerading, as in kube-proxy. */
const MASQUERADE = 0x4000;

/**
 * A director that forwards requests and answers (`ipvsadm -m`). Either it is the gateway of its servers, or it
 * masquerades, and they see its address instead of the client's.
 */
export interface NatDirectorRole {
  /** Kind of role. */
  readonly role: 'nat-director';
  /** Services by protocol, address and port, with servers that are reached by `nat`. */
  readonly services: readonly ServiceWithServers[];
  /** Interface that gets the addresses of the services. Default: the director has them already. */
  readonly interface?: string | undefined;
  /** True if the director masquerades. Default: false. */
  readonly masquerade?: boolean | undefined;
  /** Bit of the mark that requests masquerading. Default: 0x4000. */
  readonly masqueradeMark?: number | undefined;
}

const names = namesOf<NatDirectorRole>({
  role: true,
  services: true,
  interface: true,
  masquerade: true,
  masqueradeMark: true,
});

export function natDirector(options: NatDirectorRole, owner: string): Part[] {
  checkOptions('a nat-director', options, names);
  const { masquerade = false } = options;
  if (typeof masquerade !== 'boolean') throw invalid(`masquerade must be true or false, not ${show(masquerade)}`);
  const mark =
    options.masqueradeMark === undefined
      ? MASQUERADE
      : checkRange('masqueradeMark', options.masqueradeMark, ranges.serviceMark);
  const services = list('services', options.services);
  const items = distinctServices(
    services.map((one, index) => at(`services[${index}]`, () => serviceItems(checkNat(one)))),
  );
  // In output, too: requests of the director itself have the virtual address as their source.
  const marks = services.flatMap(({ service: { address, protocol, port } }) =>
    (['prerouting', 'output'] as const).map(
      (hook): FwmarkOptions => ({
        hook,
        destination: address,
        protocol,
        ...(port !== 0 && { port }),
        mark,
        mask: mark,
      }),
    ),
  );
  const rules: NetfilterRuleOptions[] = [{ type: 'masquerade', mark: { mark, mask: mark }, local: false }];
  const vips = [
    ...new Set(
      services.flatMap(({ service }) =>
        service.address === undefined ? [] : [checkAddress('address', service.address).address],
      ),
    ),
  ];
  return [
    sysctlItem('net/ipv4/ip_forward', true),
    ...(vips.some((address) => address.includes(':')) ? [sysctlItem('net/ipv6/conf/all/forwarding', true)] : []),
    // Netfilter NAT sees packets that IPVS forwards only if IPVS updates connection tracking.
    ...ipvsSysctls({ conntrack: masquerade ? true : undefined }),
    ...items,
    ...(masquerade ? netfilterItem(owner, { marks, rules }) : []),
    ...vips.flatMap((address) =>
      options.interface === undefined
        ? []
        : [hostAddress(checkInterfaceName('interface', options.interface), address, true)],
    ),
  ];
}

function checkNat(one: ServiceWithServers): ServiceWithServers {
  checkOptions('a service with servers', one, ['service', 'servers']);
  if (typeof one.service !== 'object' || one.service === null)
    throw invalid(
      `a service of a nat-director is { service: { protocol, address, port }, servers }; its service is ${show(one.service)}`,
    );
  if (one.service.address === undefined)
    throw invalid(
      'the services of a nat-director go by protocol, address and port, not by a mark: this one has no address',
    );
  const servers = list('servers', one.servers);
  const other = servers.findIndex((server) => (server?.forwarding ?? 'nat') !== 'nat');
  if (other >= 0)
    throw invalidAt(
      `servers[${other}]`,
      `the servers of a nat-director are reached by nat, not by ${servers[other]?.forwarding}`,
    );
  return one;
}
