import { checkList, checkOptions, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import type { IpvsChange } from '../kernel/ipvs/types.js';
import { checkServerKey, newServerSettings, type ServerOptions, type ServerSelector } from './server-options.js';
import { checkServiceKey, newServiceSettings, type ServiceOptions, type ServiceSelector } from './service-options.js';

/**
 * One of many changes for {@link Ipvs.apply}. `set...` replaces all settings and uses the defaults for
 * absent ones: unlike `update()` it does not read first.
 */
export type IpvsTableChange =
  | { readonly change: 'add-service' | 'set-service'; readonly service: ServiceOptions }
  | { readonly change: 'delete-service' | 'zero-service'; readonly service: ServiceSelector }
  | {
      readonly change: 'add-server' | 'set-server';
      readonly service: ServiceSelector;
      readonly server: ServerOptions;
    }
  | { readonly change: 'delete-server'; readonly service: ServiceSelector; readonly server: ServerSelector };

const optionNames = ['change', 'service', 'server'];
const kinds = [
  'add-service',
  'set-service',
  'delete-service',
  'zero-service',
  'add-server',
  'set-server',
  'delete-server',
];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, with the index of the change */
export function toKernelChanges(changes: readonly IpvsTableChange[]): IpvsChange[] {
  checkList('changes', changes);
  const checked: IpvsChange[] = [];
  try {
    for (let index = 0; index < changes.length; index++)
      checked.push(toKernelChange(changes[index] as IpvsTableChange));
  } catch (error) {
    throw error instanceof IpvsError ? invalid(`change ${checked.length}: ${error.message}`) : error;
  }
  return checked;
}

function toKernelChange(change: IpvsTableChange): IpvsChange {
  checkOptions('a change', change, optionNames);
  switch (change.change) {
    case 'add-service':
      return { command: 'NEW_SERVICE', service: newServiceSettings(change.service) };
    case 'set-service':
      return { command: 'SET_SERVICE', service: newServiceSettings(change.service) };
    case 'delete-service':
      return { command: 'DEL_SERVICE', service: checkServiceKey(change.service) };
    case 'zero-service':
      return { command: 'ZERO', service: checkServiceKey(change.service) };
    case 'add-server':
    case 'set-server': {
      const service = checkServiceKey(change.service);
      const command = change.change === 'add-server' ? 'NEW_DEST' : 'SET_DEST';
      return { command, service, server: newServerSettings(change.server, service) };
    }
    case 'delete-server': {
      const service = checkServiceKey(change.service);
      return { command: 'DEL_DEST', service, server: checkServerKey(change.server, service) };
    }
    default:
      throw invalid(
        `a change must be one of ${kinds.join(', ')}; not ${show((change as { change?: unknown }).change)}`,
      );
  }
}
