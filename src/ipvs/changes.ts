import { checkList, checkOneOf, checkOptions, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import type { IpvsChange } from '../kernel/ipvs/types.js';
import { checkServerKey, newServerSettings, type ServerOptions, type ServerSelector } from './server-options.js';
import { checkServiceKey, newServiceSettings, type ServiceOptions, type ServiceSelector } from './service-options.js';

/**
 * One of many changes for {@link Ipvs.apply}. `set-service` and `set-server` replace all settings of an existing
 * object and use the defaults for absent ones: unlike `update()` they do not read first, and unlike
 * {@link Ipvs.setService} they do not create.
 */
export type IpvsTableChange =
  | {
      /** Adds a service (`ERR_IPVS_SERVICE_EXISTS`), or replaces its settings (`ERR_IPVS_NO_SUCH_SERVICE`). */
      readonly change: 'add-service' | 'set-service';
      /** Identity and settings of the service. */
      readonly service: ServiceOptions;
    }
  | {
      /** Deletes a service with its servers, or resets the counters of both. */
      readonly change: 'delete-service' | 'zero-service';
      /** Identity of the service. */
      readonly service: ServiceSelector;
    }
  | {
      /** Adds a server (`ERR_IPVS_SERVER_EXISTS`), or replaces its settings (`ERR_IPVS_NO_SUCH_SERVER`). */
      readonly change: 'add-server' | 'set-server';
      /** Identity of its service, which an earlier change of the list may add. */
      readonly service: ServiceSelector;
      /** Identity and settings of the server. */
      readonly server: ServerOptions;
    }
  | {
      /** Deletes a server from its service. */
      readonly change: 'delete-server';
      /** Identity of its service. */
      readonly service: ServiceSelector;
      /** Identity of the server. */
      readonly server: ServerSelector;
    };

/** Names of the options of each change. */
const names: { readonly [Kind in IpvsTableChange['change']]: readonly string[] } = {
  'add-service': ['change', 'service'],
  'set-service': ['change', 'service'],
  'delete-service': ['change', 'service'],
  'zero-service': ['change', 'service'],
  'add-server': ['change', 'service', 'server'],
  'set-server': ['change', 'service', 'server'],
  'delete-server': ['change', 'service', 'server'],
};
const kinds = Object.keys(names) as IpvsTableChange['change'][];

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
  if (typeof change !== 'object' || change === null) throw invalid(`a change must be an object, not ${show(change)}`);
  checkOptions('a change', change, names[checkOneOf('change', change.change, kinds)]);
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
  }
}
