import { readFileSync } from 'node:fs';
import { errnoName } from '../src/common/errno.js';
import { errorCodes } from '../src/common/error-codes.js';
import { type MeaningEntry, Meanings } from '../src/common/meanings.js';
import { allMeanings as conntrack } from '../src/conntrack/errors.js';
import { allMeanings as ipvs } from '../src/ipvs/errors.js';
import { allMeanings as netfilter } from '../src/netfilter/errors.js';
import { allMeanings as network } from '../src/network/refusals.js';

/** The page about errors. Everything after {@link MARKER} is generated. */
export const page = new URL('../docs/errors.md', import.meta.url);

const MARKER = '<!-- The rest of this page is generated from the tables in src by scripts/docs/errors. -->\n';

const domains: readonly (readonly [title: string, about: string, entries: Iterable<MeaningEntry>])[] = [
  ['IPVS', 'Commands are those of the kernel, without `IPVS_CMD_` (include/uapi/linux/ip_vs.h).', ipvs()],
  ['Connection tracking', 'Commands are verbs of ctnetlink.', conntrack()],
  ['Marks and NAT', 'Commands are changes of an nf_tables table.', netfilter()],
  ['Network', 'Commands are operations on links, addresses, routes, rules, neighbours and namespaces.', network()],
];

/** Returns the page as the tables have it. Keeps its introduction, which is written by hand. */
export function errorsPage(): string {
  const [introduction = ''] = readFileSync(page, 'utf8').split(MARKER);
  const common = [...new Meanings()];
  const isCommon = ({ errno, meaning }: MeaningEntry): boolean =>
    common.some((entry) => entry.errno === errno && entry.meaning === meaning);
  return [
    introduction + MARKER,
    '## Codes\n',
    table(['code', 'meaning'], codeRows()),
    '## Errnos by command\n',
    '`READ_FILE` and `WRITE_FILE` read and write sysctls. `OPEN` opens a handle in a network namespace. A row without a',
    'command applies to every command that has no row for the errno. An errno in no table is `ERR_IPVS_SYSTEM`.\n',
    '### Every handle\n',
    table(columns, common.map(toRow)),
    ...domains.flatMap(([title, about, entries]) => [
      `### ${title}\n\n${about}\n`,
      table(columns, [...entries].filter((entry) => !isCommon(entry)).map(toRow)),
    ]),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

const columns = ['command', 'errno', 'code', 'reason', 'usual cause'];

function codeRows(): string[][] {
  return Object.entries(errorCodes).map(([code, meaning]) => [`\`${code}\``, meaning]);
}

function toRow({ commands, errno, meaning: { code, says, cause = '' } }: MeaningEntry): string[] {
  return [commands.map((command) => `\`${command}\``).join(', '), errnoName(errno), `\`${code}\``, says, cause];
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`.replaceAll('|  |', '| |');
  return `${[line(heading), `|${'---|'.repeat(heading.length)}`, ...rows.map(line)].join('\n')}\n`;
}
