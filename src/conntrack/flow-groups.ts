import { checkCallOptions, checkInteger, checkList, checkOneOf, checkOptions } from '../common/check.js';
import { limits } from '../common/limits.js';
import type { CallOptions } from '../kernel/call.js';
import type { FlowGroup, GroupField } from '../kernel/conntrack/types.js';
import { groupFields } from '../kernel/conntrack/vocabulary.js';
import type { Context } from './context.js';
import { checkFilter, type FlowFilter } from './filter.js';

/** The flows to add up, and how. */
export interface GroupOptions extends CallOptions {
  /** Fields that the flows of a group have in common. An empty list adds up all flows in one group. */
  readonly by: readonly GroupField[];
  /** Flows to add up. Default: all flows. */
  readonly filter?: FlowFilter | undefined;
  /** Maximum number of groups, the largest first, 1 to 4 294 967 295. Default: all groups, in no order. */
  readonly top?: number | undefined;
  /**
   * Size of a group: the bytes or packets of both directions together, which requires accounting, or the
   * number of flows. Default: `bytes`.
   */
  readonly order?: 'bytes' | 'packets' | 'flows' | undefined;
}

const names = Object.keys({
  by: true,
  filter: true,
  top: true,
  order: true,
  signal: true,
  timeout: true,
} satisfies Record<keyof GroupOptions, true>);

export async function readGroups(context: Context, options: GroupOptions): Promise<FlowGroup[]> {
  checkOptions('a request for groups', options, names);
  const { by, filter = {}, top, order = 'bytes', signal, timeout } = options;
  checkCallOptions({ signal, timeout });
  for (const field of checkList('by', by, limits.names)) checkOneOf('by', field, groupFields);
  if (top !== undefined) checkInteger('top', top, 1, 0xffffffff);
  checkOneOf('order', order, ['bytes', 'packets', 'flows']);
  const settings = checkFilter(filter);
  const largest = top === undefined ? undefined : { count: top, order };
  const request = { command: 'DUMP', action: 'add up', object: 'flows', options: { signal, timeout } } as const;
  return [...(await context.ask(request, () => context.port.groups(settings, by, largest, request.options)))];
}
