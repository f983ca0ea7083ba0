import { checkCallOptions, checkInteger, checkOptions, show } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { invalid } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { Context } from './context.js';
import { errorFor } from './errors.js';

const directory = '/proc/sys/net/netfilter';

/** The data that the kernel keeps for each flow, and the table's limits. Absent: this namespace lacks the setting. */
export interface ConntrackSettings {
  /** True if the kernel counts packets and bytes of flows that begin later (`nf_conntrack_acct`). Default: false. */
  readonly accounting?: boolean | undefined;
  /** True if the kernel records when flows begin and end (`nf_conntrack_timestamp`). Default: false. */
  readonly timestamps?: boolean | undefined;
  /**
   * True if the kernel sends events of flows that begin later (`nf_conntrack_events`). With `auto`, the default
   * from Linux 5.19, it sends only those of flows that begin while a program listens.
   */
  readonly events?: boolean | 'auto' | undefined;
  /** Maximum number of flows in all namespaces together (`nf_conntrack_max`); 0: no maximum. Only the first namespace can set it. */
  readonly maximum?: number | undefined;
  /**
   * Number of buckets of the hash table, which all namespaces share (`nf_conntrack_buckets`). Only the first namespace
   * can set it. Setting it moves all flows.
   */
  readonly buckets?: number | undefined;
  /**
   * Maximum number of expectations in all namespaces together (`nf_conntrack_expect_max`). Only the first namespace
   * can set it.
   */
  readonly expectationMaximum?: number | undefined;
}

const files = {
  accounting: 'nf_conntrack_acct',
  timestamps: 'nf_conntrack_timestamp',
  events: 'nf_conntrack_events',
  maximum: 'nf_conntrack_max',
  buckets: 'nf_conntrack_buckets',
  expectationMaximum: 'nf_conntrack_expect_max',
} as const satisfies Record<keyof ConntrackSettings, string>;

type Name = keyof typeof files;
const names = Object.keys(files) as Name[];

function parse(name: Name, text: string): boolean | 'auto' | number {
  const value = Number(text.trim());
  if (name === 'accounting' || name === 'timestamps') return value !== 0;
  if (name === 'events') return value === 2 ? 'auto' : value !== 0;
  return value;
}

function format(name: Name, value: unknown): string {
  if (name === 'maximum' || name === 'buckets' || name === 'expectationMaximum')
    return String(checkInteger(name, value, 0, 0x7fffffff));
  if (name === 'events' && value === 'auto') return '2';
  if (typeof value === 'boolean') return value ? '1' : '0';
  throw invalid(`${name} must be true or false${name === 'events' ? " or 'auto'" : ''}, not ${show(value)}`);
}

export async function readSettings(context: Context, options?: CallOptions): Promise<ConntrackSettings> {
  const paths = names.map((name) => `${directory}/${files[name]}`);
  const call = { command: 'READ_FILE', action: 'read', object: directory, options } as const;
  const texts = await context.ask(call, () => context.port.readFiles(paths, options));
  const known = names.flatMap((name, index) => {
    const text = texts[index];
    return typeof text === 'string' ? [[name, parse(name, text)] as const] : [];
  });
  return Object.fromEntries(known) as ConntrackSettings;
}

export async function writeSettings(
  context: Context,
  settings: ConntrackSettings,
  options?: CallOptions,
): Promise<void> {
  checkOptions('conntrack', settings, names);
  checkCallOptions(options);
  // Checks all values before it writes the first.
  const texts = names.flatMap((name) => {
    return settings[name] === undefined ? [] : [[`${directory}/${files[name]}`, format(name, settings[name])] as const];
  });
  for (const [path, text] of texts) {
    const call = { command: 'WRITE_FILE', action: 'write', object: path, options } as const;
    await context.ask(call, () => context.port.writeFile(path, text, options));
  }
}

/** Reads a file of `/proc/sys/net/netfilter` that contains one number. */
export async function readNumber(context: Context, name: string, options?: CallOptions): Promise<number> {
  const path = `${directory}/${name}`;
  const call = { command: 'READ_FILE', action: 'read', object: path, options } as const;
  const [text] = await context.ask(call, () => context.port.readFiles([path], options));
  if (typeof text === 'string') return Number(text.trim());
  throw errorFor({ command: 'READ_FILE', action: 'read', object: path }, text ?? Errno.EIO);
}
