import { checkList, checkOneOf, checkOptions, namesOf } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { Watch } from '../common/watch.js';
import type { CallOptions } from '../kernel/call.js';
import type { NetworkEvent, NetworkEventType } from '../kernel/network/types.js';
import type { Context } from './context.js';
import { translate } from './errors.js';

const optionNames = namesOf<NetworkWatchOptions>({ types: true, signal: true, timeout: true });

/** Options of `network.watch()`. `signal` also ends the watch; `timeout` limits only the opening. */
export interface NetworkWatchOptions extends CallOptions {
  /** Types of events to report; at least one. `overrun` is always reported. Default: all. */
  readonly types?: readonly NetworkEventType[] | undefined;
}

/** All types of events. The type of the record holds the list against the union. */
const types = Object.keys({
  'link-added': true,
  'link-changed': true,
  'link-removed': true,
  'address-added': true,
  'address-changed': true,
  'address-removed': true,
  'route-added': true,
  'route-changed': true,
  'route-removed': true,
  'rule-added': true,
  'rule-removed': true,
  'neighbour-changed': true,
  'neighbour-removed': true,
  'forwarding-entry-changed': true,
  'forwarding-entry-removed': true,
} satisfies Record<NetworkEventType, true>) as readonly NetworkEventType[];

function checkTypes(wanted: readonly NetworkEventType[] = types): readonly NetworkEventType[] {
  if (checkList('types', wanted, limits.names).length === 0)
    throw invalid('types must be a list of at least one type of events');
  return wanted.map((type) => checkOneOf('types', type, types));
}

/** Opens a stream of events. */
export async function watchNetwork(context: Context, options: NetworkWatchOptions): Promise<Watch<NetworkEvent>> {
  checkOptions('a watch', options, optionNames);
  const checked = checkTypes(options.types);
  const { types: _, ...call } = options;
  const request = { command: 'watch', action: 'watch', object: 'the network' } as const;
  return context.ask({ ...request, options: call }, async () => {
    const source = await context.port.watch(checked, call);
    return new Watch(source, { signal: call.signal, translate: (error) => translate(request, error) });
  });
}
