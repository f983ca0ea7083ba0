// A call of every public function and method, with valid arguments: all options that there are.
import { conntrackCalls } from './conntrack-calls.js';
import { desiredCalls } from './desired-calls.js';
import { ipvsCalls } from './ipvs-calls.js';
import { memoryCalls } from './memory-calls.js';
import { netfilterCalls } from './netfilter-calls.js';
import { networkCalls } from './network-calls.js';
import type { Call } from './run.js';

/** Places that take values of several kinds. */
const unions: readonly (readonly [name: RegExp, accepts: RegExp])[] = [
  [/./, /persistence = (true|false|\{\}|an endless iterable|an object)/],
  [/./, /persistence\.engine = null/],
  [/Ipvs\.setSysctl/, /\[1\]\[[01]\] = -1/],
  [/parseIpvsadm/, /= an empty text/],
  [/Network\.updateLink/, /\.master = null/],
  // Parts of an object that was read, which do not say which one it is.
  [/Network\.delete(Address|Neighbour|ForwardingEntry)/, /\.(scope|linkAddress|state) = /],
  [/Network\.setSysctl/, /\[1\] = (true|false|-1|2\*\*53|an empty text|a space|"|a text of|100 000)/],
  [/parseIpvsadm/, /= a space/],
  [/namespacePath|Namespace|Kernel/, /= (a text with a newline|"__proto__"|"constructor"|a space)$/],
  [/ocument|Desired/, /sysctls\.|\.sysctls with |\.record = "constructor"|\.adopt = true/],
  [/Role/, /\.record = "constructor"/],
  [/MemoryKernel\.advance/, /= 0\.5$/],
  [/MemoryNamespace\.setFile/, /\[1\] = (an empty|a text|a space|100|half)/],
  [/Conntrack/, /\.helper = an empty text/],
  [/Conntrack/, /\.labels = \[\]/],
  [/Conntrack\.setSettings/, /\.events = (true|false)/],
];

const calls = new Map<string, Call>([
  ...ipvsCalls,
  ...conntrackCalls,
  ...netfilterCalls,
  ...networkCalls,
  ...desiredCalls,
  ...memoryCalls,
]);
for (const [name, call] of calls) {
  const accepts = unions.filter(([of]) => of.test(name)).map(([, pattern]) => pattern);
  // A document has a check of its own, and each call reads one.
  const depth = /ocument|Desired|Role/.test(name) ? { depth: 1 } : {};
  calls.set(name, { ...call, ...depth, accepts: [...(call.accepts ?? []), ...accepts] });
}

export { calls };
