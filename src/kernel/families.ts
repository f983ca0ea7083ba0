import type { Family } from '../common/address.js';

/** Numbers of the address families (include/linux/socket.h). */
export const AF_INET = 2;
export const AF_INET6 = 10;

export function familyNumber(family: Family): number {
  return family === 'ipv6' ? AF_INET6 : AF_INET;
}
