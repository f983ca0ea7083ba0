import { IpvsError } from '../common/errors.js';
import { ownValue } from '../common/own.js';
import { isSameSysctlValue, isStableSecret } from '../common/sysctl-values.js';
import type { Network } from '../network/network.js';
import { beforeOf, type Texts, textsIn } from './before.js';
import { type Handler, unlessGone } from './handler.js';
import { type ItemOf, missing, other, right } from './items.js';

import { type Knob, knobOf, type Reset, resetsOf } from './sysctl-knobs.js';
import type { World } from './world.js';

type Sysctl = ItemOf<'sysctl'>;

/**
 * Returns true if the kernel has the value of the item: one of the same meaning, or the text that the kernel made of
 * it.
 */
export function isValueOf({ value, reads }: Sysctl, is: string): boolean {
  return isSameSysctlValue(is, value) || (reads !== undefined && isSameSysctlValue(is, reads));
}

/** Handles settings. Their names are paths below /proc/sys, with slashes: names of interfaces may have dots. */
export const sysctl: Handler<'sysctl'> = {
  name: ({ name }) => `sysctl ${name}`,
  wanted: ({ value }) => value,

  inspect(item, { sysctls }, recorded) {
    const { name, value, orMore } = item;
    const is = ownValue(sysctls, name) ?? undefined;
    if (is === undefined) return missing;
    const isRecorded =
      recorded?.kind === 'sysctl' && recorded.name === name && isSameSysctlValue(recorded.value, value);
    const enough = isValueOf(isRecorded ? recorded : item, is) || (orMore && Number(is) > Number(value));
    return enough ? right : other({ path: 'value', is, wanted: value });
  },

  /** Reads the setting, and the settings that a write of it resets. */
  async remember({ name }, world) {
    const network = await world.network;
    const [, of] = /^net\/ipv[46]\/conf\/([^/]+)\//.exec(name) ?? [];
    if (of !== undefined && of !== 'all' && of !== 'default') await network.link(of); // its error is clearer
    const is = await network.sysctl(name);
    const knob = knobOf(name);
    const related = [...knob.paths, ...(await resetsIn(knob, network)).map(({ path }) => path)];
    const texts = await readTexts(network, related);
    return beforeOf(texts.size === 0 ? new Map([[knob.key, is]]) : texts);
  },

  make: write,
  change: write,

  /**
   * Reads the value back: the kernel may write it differently, round it, or ignore a part of it. The record keeps that
   * text.
   */
  async confirm(item, world, claimed) {
    const network = await world.network;
    const { name, value } = item;
    const reads = await network.sysctl(name);
    if (isSameSysctlValue(reads, value)) return undefined;
    await write(item, world, claimed);
    const again = await network.sysctl(name);
    if (again === reads) return { ...item, reads };
    throw new IpvsError(
      'ERR_IPVS_REJECTED',
      `cannot set sysctl ${name} to ${value}: the kernel reads it back as ${reads}, and then as ${again}. ` +
        'Usual cause: another program sets it at the same time',
    );
  },

  async takeBack(item, before, world, kept = new Map()) {
    if (before === undefined) return;
    const network = await world.network;
    const texts = textsIn(before);
    const knob = knobOf(item.name);
    const path = knob.sameText ? knob.key : item.name;
    const text = texts.get(path);
    if (text === undefined) return;
    await unlessGone(['ERR_IPVS_NO_SUCH_SYSCTL'], async () => {
      const is = await network.sysctl(item.name);
      const ours = isValueOf(item, is);
      if (kept.has(path)) {
        const instead = kept.get(path);
        if (ours && instead !== undefined && !isSameSysctlValue(is, instead))
          await network.setSysctl(item.name, instead);
        return;
      }
      // A program that died may have restored the setting already, and not yet the ones that the write reset.
      const begun = isSameSysctlValue(is, text);
      if ((!ours && !begun) || isSameSysctlValue(item.value, text)) return;
      const resets = await resetsIn(knob, network);
      const left = await readTexts(
        network,
        resets.map(({ path }) => path),
      );
      // A secret cannot be deleted. It has no effect on an interface whose addr_gen_mode is restored.
      if (ours && !(text === '' && isStableSecret(path))) await network.setSysctl(item.name, text);
      // The file in the other unit may be finer: 100 hundredths of a second are 1000 to 1009 milliseconds.
      if (knob.paths.length > 1) await setTexts(network, textsOf(knob.paths, texts));
      await setTexts(network, afterwards(item, text, resets, left, texts, kept, begun));
    });
  },
};

/** Writes the setting. Settings that the write resets, and an owner claims, get their values again. */
async function write(item: Sysctl, world: World, claimed: ReadonlySet<string> = new Set()): Promise<void> {
  const network = await world.network;
  const resets = claimed.size === 0 ? [] : await resetsIn(knobOf(item.name), network);
  const paths = resets.map(({ path }) => path).filter((path) => claimed.has(knobOf(path).key));
  const before = await readTexts(network, paths);
  await network.setSysctl(item.name, item.value);
  await setTexts(network, before);
}

/**
 * Returns the texts of the settings that a write resets, for after it was taken back: a setting that is still as the
 * write left it gets its earlier text, the others stay as another program made them.
 */
function afterwards(
  { value, reads }: Sysctl,
  text: string,
  resets: readonly Reset[],
  now: Texts,
  before: Texts,
  kept: ReadonlyMap<string, unknown>,
  begun: boolean,
): Texts {
  const texts = new Map<string, string>();
  for (const { path, left } of resets) {
    const is = now.get(path);
    if (is === undefined) continue;
    const isLeft =
      isSameSysctlValue(is, left(value)) ||
      (reads !== undefined && isSameSysctlValue(is, reads)) ||
      (begun && isSameSysctlValue(is, left(text)));
    const was = before.get(path);
    if (kept.has(path) || !isLeft) texts.set(path, is);
    else if (was !== undefined) texts.set(path, was);
  }
  return texts;
}

function textsOf(paths: readonly string[], texts: Texts): Texts {
  return new Map([...texts].filter(([path]) => paths.includes(path)));
}

async function resetsIn({ key, resets }: Knob, network: Network): Promise<readonly Reset[]> {
  if (!resets) return [];
  const links = await network.links();
  return resetsOf(
    key,
    links.map(({ name }) => name),
  );
}

/** Reads the settings that exist and can be read. */
async function readTexts(network: Network, paths: readonly string[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const read = async (path: string): Promise<void> => {
    try {
      texts.set(path, await network.sysctl(path));
    } catch (error) {
      if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_NO_SUCH_SYSCTL') throw error;
    }
  };
  for (const path of paths) await read(path);
  return texts;
}

/** Writes the texts that differ: a write of the same value has effects, too. */
async function setTexts(network: Network, texts: Texts): Promise<void> {
  for (const [path, text] of texts)
    await unlessGone(['ERR_IPVS_NO_SUCH_SYSCTL'], async () => {
      if (!isSameSysctlValue(await network.sysctl(path), text)) await network.setSysctl(path, text);
    });
}
