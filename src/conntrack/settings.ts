import { checkCallOptions, checkInteger, checkOptions, show } from '../kernel/check.js';
import { Errno } from '../kernel/errno.js';
import { invalid } from '../kernel/errors.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { Context } from './context.js';
import { errorFor } from './errors.js';

const directory = '/proc/sys/net/netfilter';

/** What is kept of a flow, and how many there may be. What this kernel or namespace has not is absent. */
export interface ConntrackSettings {
  /** Packets and bytes of flows that begin from now on (`nf_conntrack_acct`; off by default). */
  readonly accounting?: boolean | undefined;
  /** When flows began and ended (`nf_conntrack_timestamp`; off by default). */
  readonly timestamps?: boolean | undefined;
  /**
   * Events of flows that begin from now on (`nf_conntrack_events`). `auto`, the default from Linux
   * 5.19: only of flows that begin while somebody listens.
   */
  readonly events?: boolean | 'auto' | undefined;
  /** The most flows there may be, in all namespaces together; to be set in the first one only. */
  readonly maximum?: number | undefined;
  /** Of the hash table, of all namespaces together; to be set in the first one only. */
  readonly buckets?: number | undefined;
  readonly expectationMaximum?: number | undefined;
}

const files = {
  accounting: 'nf_conntrack_acct',
  timestamps: 'nf_conntrack_timestamp',
  events: 'nf_conntrack_events',
  maximum: 'nf_conntrack_max',
  buckets: 'nf_conntrack_buckets',
  expectationMaximum: 'nf_conntrack_expect_max',
} as const;

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
  throw invalid(`${name} is true or false${name === 'events' ? " or 'auto'" : ''}, not ${show(value)}`);
}

export async function readSettings(context: Context, options?: CallOptions): Promise<ConntrackSettings> {
  const paths = names.map((name) => `${directory}/${files[name]}`);
  const texts = await context.ask(
    'READ_FILE',
    'read',
    directory,
    () => context.port.readFiles(paths, options),
    options,
  );
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
  // All are checked before any is written.
  const texts = names.flatMap((name) => {
    return settings[name] === undefined ? [] : [[`${directory}/${files[name]}`, format(name, settings[name])] as const];
  });
  for (const [path, text] of texts) {
    await context.ask('WRITE_FILE', 'write', path, () => context.port.writeFile(path, text, options), options);
  }
}

/** A number that the kernel keeps in a file. */
export async function readNumber(context: Context, name: string, options?: CallOptions): Promise<number> {
  const path = `${directory}/${name}`;
  const [text] = await context.ask('READ_FILE', 'read', path, () => context.port.readFiles([path], options), options);
  if (typeof text === 'string') return Number(text.trim());
  throw errorFor({ command: 'READ_FILE', action: 'read', object: path }, text ?? Errno.EIO);
}
