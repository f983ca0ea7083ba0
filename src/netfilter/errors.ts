import { Errno } from '../kernel/errno.js';
import type { IpvsError } from '../kernel/errors.js';
import { type Request as KernelRequest, Meanings } from '../kernel/meanings.js';
import { ChangeFailure } from '../kernel/netfilter/port.js';
import type { TableChange } from '../kernel/netfilter/types.js';
import { chainRuleText } from './layout.js';
import { markOf, markText, packetsText } from './mark-options.js';

export type Command = TableChange['change'] | 'read' | 'commit' | 'listen';
export type Request = KernelRequest<Command>;

const meanings = new Meanings<Command>();

meanings.define(['add-element'], Errno.EEXIST, {
  code: 'ERR_IPVS_MARK_EXISTS',
  says: 'these packets have a mark already',
  cause: 'it was added before; to change it, use setMark, or set for all',
});
meanings.define(['delete-element'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_MARK',
  says: 'these packets have no mark',
  cause: 'it was removed already, or it was made for other packets (another protocol, port or hook)',
});
for (const errno of [Errno.ENOENT, Errno.EOPNOTSUPP])
  meanings.define(['add-table', 'add-chain', 'add-rule', 'add-map'], errno, {
    code: 'ERR_IPVS_NOT_SUPPORTED',
    says: 'this kernel can not do what the rule needs',
    cause:
      'a part of nf_tables (nft_nat, nft_masq, nft_redir, nft_fib_inet, nft_chain_nat) is not built, or may not be loaded here',
  });
for (const errno of [Errno.EINTR, Errno.ERESTART])
  meanings.defineForAll(errno, {
    code: 'ERR_IPVS_UNSTABLE',
    says: 'the rules of this namespace changed during each of several attempts',
    cause: 'another program changes rules all the time; try again later',
  });
meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'not permitted',
  cause:
    'nf_tables takes CAP_NET_ADMIN over the network namespace, entering one takes CAP_SYS_ADMIN; or another program owns the table (flags owner)',
});
meanings.defineForAll(Errno.EPROTONOSUPPORT, {
  code: 'ERR_IPVS_NOT_AVAILABLE',
  says: 'this kernel has no netfilter for programs',
  cause: 'nfnetlink or nf_tables is not built, or may not be loaded here: as root, modprobe nf_tables',
});

export const translate = meanings.translate.bind(meanings);

/** What a change of the table is, in words. */
function requestOf(table: string, change: TableChange): Request {
  const command = change.change;
  switch (command) {
    case 'add-element':
      return { command, action: 'add mark', object: markText(markOf(change.map, change.element, change.element.mark)) };
    case 'delete-element':
      return { command, action: 'remove mark of', object: packetsText(markOf(change.map, change.key, 0)) };
    case 'add-rule':
      return { command, action: 'add rule', object: chainRuleText(change.chain.hook, change.rule) };
    case 'delete-rule':
      return { command, action: 'remove rule', object: `handle ${change.handle} of ${change.chain}` };
    case 'add-table':
    case 'delete-table':
      return { command, action: command.replace('-', ' '), object: `inet ${table}` };
    case 'add-chain':
      return { command, action: 'add chain', object: `${change.chain.purpose}_${change.chain.hook}` };
    case 'delete-chain':
    case 'delete-map':
      return { command, action: command.replace('-', ' '), object: change.name };
    case 'add-map':
      return { command, action: command.replace('-', ' '), object: `${change.map.hook}_${change.map.shape}` };
  }
}

/** The error for a batch of which nothing was carried out. */
export function commitError(table: string, changes: readonly TableChange[], error: unknown): unknown {
  const change = error instanceof ChangeFailure ? changes[error.index] : undefined;
  const request = change
    ? requestOf(table, change)
    : ({ command: 'commit', action: 'change', object: `table inet ${table}` } as const);
  return translate(request, error) as IpvsError;
}
