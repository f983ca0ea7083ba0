// Calls of conntrack, and of the functions for its statistics.
import { Conntrack } from '../../../src/index.js';
import type { MemoryKernel } from '../../../src/memory/index.js';
import { CallList, call, exports, open } from './call-list.js';

const tuple = {
  source: '10.0.0.1',
  destination: '10.0.0.2',
  protocol: 'tcp',
  sourcePort: 1,
  destinationPort: 80,
  zone: 0,
  family: 'ipv4',
} as const;
const flowKey = { original: tuple, zone: 0, id: 1 };
const flowChanges = {
  timeout: 60,
  mark: 1,
  markMask: 255,
  status: ['assured'],
  state: 'ESTABLISHED',
  labels: { set: [1], clear: [2] },
  helper: 'ftp',
  tcp: { windowScale: { original: 1, reply: 1 }, flags: { original: 1, reply: 1 } },
  sequenceAdjustment: { original: { position: 1, before: 1, after: 1 }, reply: { position: 1, before: 1, after: 1 } },
  synproxy: { initialSequence: 1, initialTimestamp: 1, timestampOffset: 1 },
} as const;
const flow = {
  ...flowChanges,
  original: tuple,
  reply: { ...tuple, source: '10.0.0.2', destination: '10.0.0.1' },
  zone: 0,
  nat: { source: { address: ['10.0.0.3', '10.0.0.4'], port: [1, 2] }, destination: { address: '10.0.0.5', port: 1 } },
  master: tuple,
} as const;
const flowFilter = {
  family: 'ipv4',
  protocol: 'tcp',
  source: '10.0.0.0/8',
  destination: '10.0.0.2',
  sourcePort: 1,
  destinationPort: 80,
  replySource: '10.0.0.2',
  replyDestination: '10.0.0.1',
  replySourcePort: 80,
  replyDestinationPort: 1,
  mark: 1,
  markMask: 255,
  zone: 0,
  status: ['assured'],
  notStatus: ['dying'],
  state: 'ESTABLISHED',
  filterIn: 'kernel',
} as const;
const stale = {
  address: '192.0.2.1',
  port: 53,
  protocol: 'udp',
  servers: ['10.0.0.1', { address: '10.0.0.2', port: 53 }],
  untranslated: 'keep',
  zone: 0,
} as const;
const expectation = {
  tuple: { ...tuple, zone: undefined },
  any: ['source', 'sourcePort'],
  master: tuple,
  zone: 0,
  timeout: 60,
  flags: 1,
  class: 0,
  helper: 'ftp',
  function: 'nat-follow-master',
  nat: { direction: 'original', tuple },
} as const;

const conntrack = (kernel: MemoryKernel) => Conntrack.open({ kernel });

const calls = new CallList();
calls.add(
  'Conntrack.open',
  () => Conntrack,
  (kernel) => [{ ...open, kernel }],
);

calls.addMethods('Conntrack', conntrack, {
  usage: [call],
  statistics: [call],
  expectationStatistics: [call],
  settings: [call],
  setSettings: [
    { accounting: true, timestamps: true, events: 'auto', maximum: 1000, buckets: 1000, expectationMaximum: 10 },
    call,
  ],
  groups: [{ by: ['source', 'protocol'], filter: flowFilter, top: 3, order: 'flows', ...call }],
  flow: [flowKey, call],
  create: [flow, call],
  update: [flowKey, flowChanges, call],
  delete: [flowKey, call],
  apply: [
    [
      { change: 'update-flow', flow: flowKey, set: { mark: 1 } },
      { change: 'delete-flow', flow: { reply: tuple } },
    ],
    call,
  ],
  zero: [flowFilter, call],
  deleteMatching: [flowFilter, call],
  flush: [{ family: 'ipv4', zone: 1 }, call],
  staleFlows: [stale, call],
  deleteStaleFlows: [stale, call],
  expectations: [{ family: 'ipv4' }, call],
  createExpectation: [expectation, call],
  deleteExpectation: [{ tuple, zone: 0, id: 1 }, call],
  flushExpectations: [call],
  watch: [
    {
      types: ['new', 'update', 'destroy'],
      filter: { family: 'ipv4', mark: 1 },
      receiveBuffer: 65536,
      reliable: false,
      resynchronise: { interval: 1000 },
      ...call,
    },
  ],
  close: [],
});
calls.add('Conntrack.createAll', conntrack, [[flow], call], {
  accepts: [/./],
  // Taken until 65 536 have failed, which is tested with a signal in limits.test.ts.
  without: /endless/,
});
calls.addMethods(
  'Conntrack',
  conntrack,
  { flows: [flowFilter, { ...call, list: 'live' }], zeroedFlows: [flowFilter, call] },
  { throws: true },
);
calls.add('compareStatistics', exports, [[{ processor: 0, found: 1 }], [{ processor: 0, found: 2 }], 1], {
  throws: true,
});
calls.add('sumStatistics', exports, [[{ processor: 0, found: 1 }]], { throws: true });

export { calls as conntrackCalls };
