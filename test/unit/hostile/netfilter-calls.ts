// Calls of netfilter.
import { Netfilter } from '../../../src/index.js';
import type { MemoryKernel } from '../../../src/memory/index.js';
import { CallList, call, open } from './call-list.js';

const packets = {
  hook: 'prerouting',
  mask: 255,
  family: 'ipv4',
  source: '10.0.0.0/8',
  destination: '192.0.2.1',
  protocol: 'tcp',
  port: { from: 80, to: 81 },
  inputInterface: 'eth0',
  local: true,
} as const;
const mark = { ...packets, mark: 1 };
const rule = {
  type: 'dnat',
  hook: 'prerouting',
  to: '10.0.0.1',
  toPort: 80,
  mark: { mark: 1, mask: 255 },
  source: '10.0.0.0/8',
  destination: '192.0.2.1',
  protocol: 'tcp',
  port: { from: 80, to: 81 },
  inputInterface: 'eth0',
  local: true,
} as const;
const rules = [
  rule,
  { type: 'snat', hook: 'postrouting', to: '10.0.0.1', source: '10.0.0.0/8', outputInterface: 'eth0' },
] as const;

const netfilter = (kernel: MemoryKernel) => Netfilter.open({ kernel });

const calls = new CallList();
calls.add(
  'Netfilter.open',
  () => Netfilter,
  (kernel) => [{ ...open, owner: 'ipvs', kernel }],
);

calls.addMethods('Netfilter', netfilter, {
  marks: [call],
  mark: [packets, call],
  addMark: [mark, call],
  allocateMark: [packets, { from: 1, to: 9, taken: [1, 2] }, call],
  setMark: [packets, 2, call],
  deleteMark: [packets, call],
  rules: [call],
  addRule: [rule, call],
  deleteRule: [rule, call],
  apply: [
    [
      { change: 'add-mark', mark },
      { change: 'add-rule', rule },
    ],
    call,
  ],
  set: [{ marks: [mark], rules }, call],
  verify: [{ marks: [mark], rules }, call],
  watch: [call],
  deleteTable: [call],
  close: [],
});
const fwmark = async (kernel: MemoryKernel) => (await netfilter(kernel)).addMark(mark);
calls.addMethods('Fwmark', fwmark, { update: [{ mark: 2 }, call], delete: [call] });

export { calls as netfilterCalls };
