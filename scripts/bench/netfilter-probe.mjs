// Adds many marks in a new process: netfilter-probe.mjs NAMESPACE MARKS. Prints as JSON: the time in milliseconds, the
// maximum growth of the resident memory in bytes, and the longest block of the event loop in milliseconds.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { Netfilter } from '../../dist/index.js';
import { marksOf } from './netfilter.mjs';

const [namespace, count] = process.argv.slice(2);
const RESOLUTION = 1; // milliseconds
const KIBI = 1024;
const netfilter = await Netfilter.open({ namespace });
const changes = marksOf(Number(count)).map((mark) => /** @type {const} */ ({ change: 'add-mark', mark }));
const before = process.memoryUsage.rss();
const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
delay.enable();
await setTimeout(10); // the monitor starts with its first tick
const start = performance.now();
await netfilter.apply(changes);
const time = performance.now() - start;
await setTimeout(10);
delay.disable();
const grown = process.resourceUsage().maxRSS * KIBI - before;
await netfilter.deleteTable();
await netfilter.close();
console.log(JSON.stringify({ time, grown, blocked: delay.max / 1e6 - RESOLUTION }));
