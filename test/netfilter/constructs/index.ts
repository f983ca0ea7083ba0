// Every construct that can be written.
import type { Construct } from './construct.js';
import { destinationNat } from './destination-nat.js';
import { maps } from './maps.js';
import { markRules } from './mark-rules.js';
import { segments } from './segments.js';
import { sourceNat } from './source-nat.js';

export type { Connection, Construct, Packet } from './construct.js';

export const constructs: readonly Construct[] = [...maps, ...markRules, ...sourceNat, ...destinationNat, ...segments];
