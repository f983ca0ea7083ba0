import { Errno } from '../common/errno.js';
import {
  errorOf,
  type Request as KernelRequest,
  type Meaning,
  type MeaningEntry,
  Meanings,
} from '../common/meanings.js';
import { changeAt, type NftBatchChange, singleChanges } from '../kernel/netfilter/changes.js';
import { NftChangeFailure } from '../kernel/netfilter/port.js';
import type { NftTableChange } from '../kernel/netfilter/types.js';
import { chainRuleText } from './layout.js';
import { elementKey, hasMark, markOf, markText, packetsText } from './mark-options.js';

export type Command = NftTableChange['change'] | 'read' | 'commit' | 'listen';
export type Request = KernelRequest<Command>;

const meanings = new Meanings<Command>();

const markExists: Meaning = {
  code: 'ERR_IPVS_MARK_EXISTS',
  says: 'a mark is already set for these packets',
  cause: 'it was added before; to change it, use setMark(), or set() for all marks',
};
meanings.define(['add-element'], Errno.EEXIST, markExists);
meanings.define(['delete-element'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_MARK',
  says: 'no mark is set for these packets',
  cause: 'it was already deleted, or it was added with another protocol, port or hook',
});
for (const errno of [Errno.ENOENT, Errno.EOPNOTSUPP])
  meanings.define(['add-table', 'add-chain', 'add-rule', 'add-map'], errno, {
    code: 'ERR_IPVS_NOT_SUPPORTED',
    says: 'the kernel does not support the rule',
    cause:
      'a module of nf_tables (nft_nat, nft_masq, nft_redir, nft_fib_inet, nft_chain_nat) is not built or cannot be loaded',
  });
for (const errno of [Errno.EINTR, Errno.ERESTART])
  meanings.defineForAll(errno, {
    code: 'ERR_IPVS_UNSTABLE',
    says: 'the rules of this namespace changed during each of several attempts',
    cause: 'another program changes rules continuously; try again later',
  });
meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'permission is denied',
  cause:
    'nf_tables requires CAP_NET_ADMIN over the network namespace; entering a network namespace requires CAP_SYS_ADMIN; or another program owns the table (`flags owner`)',
});
meanings.defineForAll(Errno.EPROTONOSUPPORT, {
  code: 'ERR_IPVS_NOT_AVAILABLE',
  says: 'the kernel does not have nf_tables',
  cause: 'its module is not loaded (run `modprobe nf_tables` as root), or is not built',
});

/** Every meaning of an errno for a change of a table. */
export const allMeanings = (): Iterable<MeaningEntry> => meanings;
export const translate = meanings.translate.bind(meanings);

/** Returns the request that a change of the table is, in words. */
function requestOf(table: string, change: NftTableChange): Request {
  const command = change.change;
  switch (command) {
    case 'add-element':
      return { command, action: 'add mark', object: markText(markOf(change.map, change.element, change.element.mark)) };
    case 'delete-element':
      return { command, action: 'delete mark of', object: packetsText(markOf(change.map, change.key, 0)) };
    case 'add-rule':
      return { command, action: 'add rule', object: chainRuleText(change.chain.hook, change.rule) };
    case 'delete-rule':
      return { command, action: 'delete rule', object: `handle ${change.handle} of ${change.chain}` };
    case 'add-table':
    case 'delete-table':
      return { command, action: command.replace('-', ' '), object: `inet ${table}` };
    case 'add-chain':
      return { command, action: 'add chain', object: `${change.chain.purpose}_${change.chain.hook}` };
    case 'delete-chain':
    case 'flush-chain':
    case 'delete-map':
      return { command, action: command.replace('-', ' '), object: change.name };
    case 'add-map':
      return { command, action: command.replace('-', ' '), object: `${change.map.hook}_${change.map.shape}` };
  }
}

/** Returns the change that failed because its packets have a mark already. */
export function markInTheWay(
  changes: readonly NftBatchChange[],
  error: unknown,
): Extract<NftTableChange, { change: 'add-element' }> | undefined {
  const change =
    error instanceof NftChangeFailure && error.errno === Errno.EEXIST ? changeAt(changes, error.index) : undefined;
  return change?.change === 'add-element' ? change : undefined;
}

/** Returns the error for a batch of which nothing was carried out. `present` is the existing mark, if it is known. */
export function commitError(
  table: string,
  changes: readonly NftBatchChange[],
  error: unknown,
  present: number | undefined,
): unknown {
  const change = error instanceof NftChangeFailure ? changeAt(changes, error.index) : undefined;
  if (!change) return translate({ command: 'commit', action: 'change', object: `table inet ${table}` }, error);
  const request = requestOf(table, change);
  const added = markInTheWay(changes, error);
  if (added && present !== undefined && error instanceof NftChangeFailure) {
    const says = hasMark(markOf(added.map, added.element, 0), present);
    return errorOf(request, error.errno, { ...markExists, says }, error.message);
  }
  // A mark is changed by a deletion and an addition in one batch.
  const changed = change.change === 'delete-element' && isAdded(changes, change);
  return translate(changed ? { ...request, action: 'change mark of' } : request, error);
}

function isAdded(
  changes: readonly NftBatchChange[],
  deleted: Extract<NftTableChange, { change: 'delete-element' }>,
): boolean {
  const key = elementKey(deleted.map, deleted.key);
  for (const change of singleChanges(changes))
    if (change.change === 'add-element' && elementKey(change.map, change.element) === key) return true;
  return false;
}
