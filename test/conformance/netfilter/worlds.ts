// A namespace of a kernel to try nf_tables in, and what tables are made of.
import { onTestFinished } from 'vitest';
import { Netfilter, type NetfilterEvent, type Watch } from '../../../src/index.js';
import { chainText } from '../../../src/kernel/netfilter/names.js';
import type { NetfilterPort } from '../../../src/kernel/netfilter/port.js';
import type { NftChainName, NftMapName, NftTableChange, NftTableEntry } from '../../../src/kernel/netfilter/types.js';
import type { OpenPlace } from '../places.js';

export interface Here {
  readonly netfilter: Netfilter;
  /** Another handle on the same table. */
  open(owner?: string): Promise<Netfilter>;
  /** The port itself, for what the library asks for in no such way. */
  port(): Promise<NetfilterPort>;
}

export type Start = () => Promise<Here>;

export const ip: NftMapName = { hook: 'prerouting', shape: 'ip' };
export const ipPort: NftMapName = { hook: 'prerouting', shape: 'ip_port' };
export const chain: NftChainName = { purpose: 'mark', hook: 'prerouting' };
export const natChain: NftChainName = { purpose: 'nat', hook: 'postrouting' };
export const element = { address: '10.0.0.1', mark: 7 } as const;
export const table: NftTableChange = { change: 'add-table', comment: 'somebody' };
export const masquerade = (source: string) =>
  ({
    change: 'add-rule',
    chain: natChain,
    rule: { hook: 'postrouting', match: { family: 'ipv4', source }, action: { type: 'masquerade' } },
  }) as const satisfies NftTableChange;

export async function refusal(work: Promise<unknown>): Promise<[index: number, errno: number]> {
  try {
    await work;
  } catch (error) {
    const { index, errno } = error as { index: number; errno: number };
    return [index, errno];
  }
  throw new Error('it was not refused');
}

export function sources(entry: NftTableEntry | undefined): string[] {
  const rules = entry?.chains.find(({ name }) => chainText(name) === chainText(natChain))?.rules ?? [];
  return rules.map(({ rule }) => (rule && 'match' in rule ? (rule.match.source ?? '') : 'another'));
}

export async function next(watch: Watch<NetfilterEvent>): Promise<string> {
  const { value } = await watch.next();
  return value ? value.type : 'end';
}

export function startOn(open: OpenPlace): Start {
  return async () => {
    const { kernel, namespace, dispose } = await open();
    const handles: { close(): Promise<void> }[] = [];
    const openOne = async (owner = 'ipvs'): Promise<Netfilter> => {
      const handle = await Netfilter.open({ kernel, namespace, owner });
      handles.push(handle);
      return handle;
    };
    onTestFinished(async () => {
      for (const handle of handles) await handle.close();
      await dispose();
    });
    const port = async (): Promise<NetfilterPort> => {
      const opened = await kernel.openNetfilter({ namespace });
      handles.push(opened);
      return opened;
    };
    return { netfilter: await openOne(), open: openOne, port };
  };
}
