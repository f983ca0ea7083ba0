import { checkOneOf } from '../common/check.js';
import type { Part } from '../items/items.js';
import { type DirectDirectorRole, directDirector } from './direct-director.js';
import { type IngressRole, ingress } from './ingress.js';
import { type NatDirectorRole, natDirector } from './nat-director.js';
import { type NodeRole, node } from './node.js';
import { type RealServerRole, realServer } from './real-server.js';

/** Description of the role of a machine, or of a network namespace. */
export type RoleDescription = DirectDirectorRole | RealServerRole | NatDirectorRole | IngressRole | NodeRole;

const roles = ['direct-director', 'real-server', 'nat-director', 'ingress', 'node'] as const;

/** Returns the parts that the role makes, in order. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function describe(description: RoleDescription, owner: string): Part[] {
  checkOneOf('role', description?.role, roles);
  switch (description.role) {
    case 'direct-director':
      return directDirector(description, owner);
    case 'real-server':
      return realServer(description, owner);
    case 'nat-director':
      return natDirector(description, owner);
    case 'ingress':
      return ingress(description, owner);
    case 'node':
      return node(description, owner);
  }
}
