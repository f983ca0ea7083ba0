import type { FwmarkHook, NftChainName, NftChainPurpose, NftHook, NftMapName, NftMapShape } from './types.js';
import { mapShapes } from './types.js';

/** The type, hook and priority of a base chain (include/uapi/linux/netfilter_ipv4.h, enum nf_ip_hook_priorities). */
export interface BaseChain {
  /** Type of the chain. `route` repeats the routing decision if the mark of a local packet has changed. */
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: number;
  readonly priority: number;
}

const hookNumbers: Readonly<Record<NftHook, number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};

const MANGLE = -150;
const DSTNAT = -100;
const SRCNAT = 100;

const hooks: Readonly<Record<NftChainPurpose, readonly NftHook[]>> = {
  mark: ['prerouting', 'input', 'output'],
  nat: ['prerouting', 'output', 'input', 'postrouting'],
  mss: ['forward', 'output', 'postrouting'],
};

export function baseChain({ purpose, hook }: NftChainName): BaseChain {
  if (purpose === 'nat') {
    const source = hook === 'postrouting' || hook === 'input';
    return { type: 'nat', hook: hookNumbers[hook], priority: source ? SRCNAT : DSTNAT };
  }
  return {
    type: purpose === 'mark' && hook === 'output' ? 'route' : 'filter',
    hook: hookNumbers[hook],
    priority: MANGLE,
  };
}

export function chainText({ purpose, hook }: NftChainName): string {
  return `${purpose}_${hook}`;
}

/** Names of all maps. Created once, because bulk changes need one for each element. */
const mapTexts = Object.fromEntries(
  (['prerouting', 'input', 'output'] as const).map((hook) => [
    hook,
    Object.fromEntries(mapShapes.map((shape) => [shape, `${hook}_${shape}`])),
  ]),
) as Readonly<Record<FwmarkHook, Readonly<Record<NftMapShape, string>>>>;

export function mapText({ hook, shape }: NftMapName): string {
  return mapTexts[hook][shape];
}

const chains = new Map<string, NftChainName>();
for (const purpose of Object.keys(hooks) as NftChainPurpose[]) {
  for (const hook of hooks[purpose]) chains.set(chainText({ purpose, hook }), { purpose, hook });
}

const maps = new Map<string, NftMapName>();
for (const hook of hooks.mark as readonly FwmarkHook[]) {
  for (const shape of mapShapes as readonly NftMapShape[]) maps.set(mapText({ hook, shape }), { hook, shape });
}

/** Returns the chain with this name, or `undefined` for a name that this library does not use. */
export function chainNamed(text: string): NftChainName | undefined {
  return chains.get(text);
}

export function mapNamed(text: string): NftMapName | undefined {
  return maps.get(text);
}
