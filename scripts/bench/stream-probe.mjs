// Streams a table in a new process: stream-probe.mjs NAMESPACE flows|batches. Prints as JSON: the number of flows, the
// growth of the resident memory in bytes, and the longest block of the event loop in milliseconds.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Conntrack } from '../../dist/index.js';
import { readFields } from './read-fields.mjs';

const [namespace, how] = process.argv.slice(2);
const RESOLUTION = 1; // milliseconds
const conntrack = await Conntrack.open({ namespace });
const before = process.memoryUsage.rss();
let most = before;
const sampler = setInterval(() => {
  most = Math.max(most, process.memoryUsage.rss());
}, 5);
const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
delay.enable();
const flows = await readFields(conntrack, how === 'batches');
delay.disable();
clearInterval(sampler);
await conntrack.close();
console.log(JSON.stringify({ flows, grown: most - before, blocked: delay.max / 1e6 - RESOLUTION }));
