import { checkFlag, checkInteger, checkOptions, isText, namesOf, show, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName, LONGEST_MAIN_NAME } from '../common/interface-name.js';
import { checkPrefix } from '../common/prefix.js';
import type { AddressKey, AddressSettings, InterfaceAddress, Scope } from '../kernel/network/types.js';
import { checkInterfaceAddress, checkScope, optional } from './checks.js';

const optionNames = namesOf<AddressOptions>({
  interface: true,
  address: true,
  scope: true,
  label: true,
  noDad: true,
  protocol: true,
});

/** A new address of an interface. */
export interface AddressOptions {
  /** Name of the interface. */
  readonly interface: string;
  /**
   * Address with its prefix length: `192.168.1.100/32`. Not 0.0.0.0, `::` or an IPv6 multicast address, which the kernel
   * cannot add.
   */
  readonly address: string;
  /** Scope. Default: `host` for 127.0.0.0/8, otherwise `global`. The kernel derives that of an IPv6 address itself. */
  readonly scope?: Scope | undefined;
  /** Label of an IPv4 address, up to 15 bytes. Default: the name of the interface. */
  readonly label?: string | undefined;
  /** True to skip duplicate address detection: the address can be used at once. IPv4 has none. Default: false. */
  readonly noDad?: boolean | undefined;
  /** Origin of the address, from 1 to 255 (IFA_PROTO); 1 to 3 is the kernel. */
  readonly protocol?: number | undefined;
}

/**
 * Selects one address by its interface and the address with its prefix length. An address that was read is accepted,
 * too.
 */
export type AddressSelector = Pick<InterfaceAddress, 'interface' | 'address'> & Partial<InterfaceAddress>;

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkAddressOptions(options: AddressOptions): AddressSettings {
  checkOptions('an address', options, optionNames);
  const prefix = checkInterfaceAddress('address', checkPrefix('address', options.address));
  const loopback = prefix.family === 'ipv4' && prefix.address.startsWith('127.');
  if (options.label !== undefined && prefix.family === 'ipv6') throw invalid('label requires an IPv4 address');
  return {
    interface: checkInterfaceName('interface', options.interface),
    ...prefix,
    scope: checkScope(valueOr(options.scope, loopback ? 'host' : 'global')),
    label: optional(options.label, checkLabel),
    noDad: checkFlag('noDad', valueOr(options.noDad, false)),
    protocol: optional(options.protocol, (value) => checkInteger('protocol', value, 1, 255)),
  };
}

/** Checks a label. Unlike the name of an interface it may have a colon, as in `eth0:1`. */
function checkLabel(value: unknown): string {
  if (isText(value, LONGEST_MAIN_NAME) && /^\S+$/.test(value) && Buffer.byteLength(value) <= LONGEST_MAIN_NAME)
    return value;
  throw invalid(
    `label must be a text such as eth0:1, of 1 to ${LONGEST_MAIN_NAME} bytes without spaces, not ${show(value)}`,
  );
}

const selectorNames = namesOf<InterfaceAddress>({
  interface: true,
  family: true,
  address: true,
  peer: true,
  broadcast: true,
  scope: true,
  label: true,
  protocol: true,
  secondary: true,
  tentative: true,
  duplicate: true,
  deprecated: true,
  noDad: true,
  noPrefixRoute: true,
  validLifetime: true,
  preferredLifetime: true,
});

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkAddressSelector(selector: AddressSelector): AddressKey {
  checkOptions('an address', selector, selectorNames);
  if (selector.peer !== undefined) throw invalid('an address with a peer cannot be deleted here');
  return {
    interface: checkInterfaceName('interface', selector.interface),
    ...checkPrefix('address', selector.address, { family: selector.family }),
  };
}
