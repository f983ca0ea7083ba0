import { checkAddress, checkOneOf, checkOptions, checkRange, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { type Range, ranges } from '../common/ranges.js';
import { describeServer } from '../kernel/ipvs/describe.js';
import type {
  Forwarding,
  ServerKey,
  ServerSettings,
  ServiceKey,
  TunnelChecksum,
  TunnelType,
} from '../kernel/ipvs/types.js';
import { settableForwardings, tunnelChecksums, tunnelTypes } from '../kernel/ipvs/vocabulary.js';

/** The encapsulation of packets to a real server. */
export interface TunnelOptions {
  /**
   * `ipip`, `gue` (generic UDP encapsulation) or `gre`; the last two require Linux 5.3. Default: the
   * type of the server if it has a tunnel, otherwise `ipip`. Another type resets port and checksum.
   */
  readonly type?: TunnelType | undefined;
  /** UDP port that the server listens on, 1 to 65535. Required for GUE, rejected for other types. */
  readonly port?: number | undefined;
  /** Checksum: `checksum` for GUE and GRE, `remote` (remote checksum offload) for GUE. Default: `none`. */
  readonly checksum?: TunnelChecksum | undefined;
}

/** Selects a real server of a service: its address and port, a `RealServer` that was read, or the `key` of one. */
export type ServerSelector =
  | {
      /** Identity of the server. */
      readonly key: ServerKey;
    }
  | ServerKey
  | NewServerKey;

/** The identity of a new real server within its service. */
export interface NewServerKey {
  /** IPv4 or IPv6 address. A family other than the service's requires a tunnel. */
  readonly address: string;
  /** Default: the port of the service; for a fwmark service 0, which keeps the packet's port. */
  readonly port?: number | undefined;
}

/** The settings that an update can change. */
export interface ServerChanges {
  /**
   * Forwarding method. `nat` rewrites the destination; replies must return through the director.
   * `direct` sends the packet unchanged to the server's MAC address, and `tunnel` encapsulates it: the
   * server has the virtual address and replies to the client. These two cannot change the port.
   */
  readonly forwarding?: Exclude<Forwarding, 'local' | 'bypass'> | undefined;
  /** Settings of the tunnel. Requires `forwarding: 'tunnel'`. */
  readonly tunnel?: TunnelOptions | undefined;
  /** Share of the connections, 0 to 2147483647 (ipvsadm: to 65535). 0 keeps existing connections and adds none. */
  readonly weight?: number | undefined;
  /** Number of connections at which the server gets no more, to 2147483647 (the limit of Linux 7.2); 0 for no limit. */
  readonly upperThreshold?: number | undefined;
  /** Number of connections below which it gets new ones again; 0 for three quarters of the upper threshold. */
  readonly lowerThreshold?: number | undefined;
}

/** A new real server. Default: `nat`, weight 1, no thresholds (`ipvsadm -a` defaults to `direct`). */
export type ServerOptions = NewServerKey & ServerChanges;

const selectorNames = Object.keys({ address: true, port: true } satisfies Record<keyof NewServerKey, true>);
const changeNames = Object.keys({
  forwarding: true,
  tunnel: true,
  weight: true,
  upperThreshold: true,
  lowerThreshold: true,
} satisfies Record<keyof ServerChanges, true>);
const optionNames = [...selectorNames, ...changeNames];
const keyNames = [...optionNames, 'family' satisfies keyof ServerKey];
const tunnelNames = Object.keys({
  type: true,
  port: true,
  checksum: true,
} satisfies Record<keyof TunnelOptions, true>);

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkServerKey(selector: ServerSelector, service: ServiceKey): ServerKey {
  const key = typeof selector === 'object' && selector !== null && 'key' in selector ? selector.key : selector;
  checkOptions('a real server', key, keyNames);
  return keyOf(key, service);
}

/** Returns the key of options whose names were checked. */
function keyOf(selector: ServerKey | NewServerKey, service: ServiceKey): ServerKey {
  const known = 'family' in selector && selector.family === 'ipv6' ? selector.family : undefined;
  const { address, family } = checkAddress('the address of a real server', selector.address, known);
  const { port = 'port' in service ? service.port : 0 } = selector;
  return { family, address, port: checkRange('the port of a real server', port, ranges.anyPort) };
}

/**
 * Returns the settings of a server that a user adds. Rejects a port that has no effect, because the user expects one.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function newServerSettings(options: ServerOptions, service: ServiceKey): ServerSettings {
  const settings = heldServerSettings(options, service);
  checkPort(settings, service);
  return settings;
}

/**
 * Returns the settings of a server that a table has or had. Accepts every server that the kernel accepts: keepalived,
 * ldirectord and ipvsadm create servers with direct routing whose port has no effect.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function heldServerSettings(options: ServerOptions, service: ServiceKey): ServerSettings {
  checkOptions('a real server', options, optionNames);
  const key = keyOf(options, service);
  const defaults = {
    key,
    forwarding: 'nat',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 'ipip',
    tunnelPort: 0,
    tunnelChecksum: 'none',
  } as const;
  const settings = withChanges(defaults, options);
  checkFamily(settings, service);
  return settings;
}

/** Checks the names of changes. Rejects address and port, which identify the server and cannot change. */
export function checkServerChanges(changes: ServerChanges): void {
  checkOptions('a real server', changes, optionNames);
  const name = selectorNames.find((name) => name in changes);
  if (name) throw invalid(`the ${name} of a real server cannot be changed; add another server and delete this one`);
}

/** Returns the settings after `changes`. A setting that they do not name keeps its value. */
export function changeServer(current: ServerSettings, changes: ServerChanges, service: ServiceKey): ServerSettings {
  const settings = withChanges(current, changes);
  // Accepts settings of another program that this update does not change.
  if (changes.forwarding !== undefined) {
    checkFamily(settings, service);
    checkPort(settings, service);
  }
  return settings;
}

function withChanges(current: ServerSettings, changes: ServerChanges): ServerSettings {
  const { forwarding } = changes;
  const { tunnelType, tunnelPort, tunnelChecksum } = tunnelSettings(current, changes.tunnel);
  const settings = {
    key: current.key,
    forwarding:
      forwarding === undefined ? current.forwarding : checkOneOf('forwarding', forwarding, settableForwardings),
    weight: numberOf('the weight', changes.weight, current.weight, ranges.weight),
    upperThreshold: numberOf('upperThreshold', changes.upperThreshold, current.upperThreshold, ranges.threshold),
    lowerThreshold: numberOf('lowerThreshold', changes.lowerThreshold, current.lowerThreshold, ranges.threshold),
    tunnelType,
    tunnelPort,
    tunnelChecksum,
  };
  if (changes.tunnel !== undefined && settings.forwarding !== 'tunnel') {
    throw invalid(`tunnel requires forwarding 'tunnel', not '${settings.forwarding}'`);
  }
  if (settings.lowerThreshold > settings.upperThreshold) {
    throw invalid(
      `lowerThreshold (${settings.lowerThreshold}) must not be above upperThreshold (${settings.upperThreshold})`,
    );
  }
  return settings;
}

function numberOf(what: string, value: number | undefined, current: number, range: Range): number {
  return value === undefined ? current : checkRange(what, value, range);
}

function tunnelSettings(
  current: ServerSettings,
  tunnel: TunnelOptions | undefined,
): Pick<ServerSettings, 'tunnelType' | 'tunnelPort' | 'tunnelChecksum'> {
  if (tunnel === undefined) return current;
  checkOptions('a tunnel', tunnel, tunnelNames);
  const had = current.forwarding === 'tunnel' ? current.tunnelType : undefined;
  const type = checkOneOf('the type of a tunnel', valueOr(tunnel.type, had ?? 'ipip'), tunnelTypes);
  const kept = type === had ? current : undefined;
  const checksum = checkOneOf(
    'the checksum of a tunnel',
    valueOr(tunnel.checksum, kept?.tunnelChecksum ?? 'none'),
    tunnelChecksums,
  );
  const port = valueOr(tunnel.port, kept?.tunnelPort ?? 0);
  if (type === 'gue' && port === 0 && tunnel.port === undefined) throw invalid('a GUE tunnel requires a port');
  if (type === 'gue') checkRange('the port of a GUE tunnel', port, ranges.port);
  else if (tunnel.port !== undefined) throw invalid(`the port of a tunnel requires type 'gue', not '${type}'`);
  if ((type === 'ipip' && checksum !== 'none') || (type === 'gre' && checksum === 'remote')) {
    throw invalid(
      `the checksum of a tunnel must be ${type === 'ipip' ? "'none'" : "'none' or 'checksum'"} for type '${type}', not '${checksum}'`,
    );
  }
  return { tunnelType: type, tunnelPort: port, tunnelChecksum: checksum };
}

/** Rejects a server of the other family without a tunnel, as the kernel does (EINVAL). */
function checkFamily({ key, forwarding }: ServerSettings, service: ServiceKey): void {
  if (key.family !== service.family && forwarding !== 'tunnel')
    throw invalid(`server ${key.address} and its service have different families, which requires forwarding 'tunnel'`);
}

/** Rejects a port without effect. The kernel accepts any, but direct routing and tunnels keep the packet's port. */
function checkPort({ key, forwarding }: ServerSettings, service: ServiceKey): void {
  if (!keepsPort(forwarding)) return;
  const port = 'port' in service ? service.port : 0;
  if (key.port === port) return;
  throw invalid(
    `the port of server ${describeServer(key)} must be that of its service (${port}): ${forwarding} forwarding does not ` +
      'change the port of a packet',
  );
}

/** Returns true if packets reach the server with the port that the client sent them to. */
export function keepsPort(forwarding: Forwarding): boolean {
  return forwarding === 'direct' || forwarding === 'tunnel';
}
