// What the kernel does with tables of nf_tables: the one in memory, and the real one.
import { batchConformance } from './netfilter/batches.js';
import { elementConformance } from './netfilter/elements.js';
import { markConformance } from './netfilter/marks.js';
import { otherConformance } from './netfilter/others.js';
import { startOn } from './netfilter/worlds.js';
import type { OpenPlace } from './places.js';

export function netfilterConformance(open: OpenPlace): void {
  const start = startOn(open);
  batchConformance(start);
  elementConformance(start);
  markConformance(start);
  otherConformance(start);
}
