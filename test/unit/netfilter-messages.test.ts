// What is refused says what was given, what is allowed, and where it stands.
import { beforeEach, describe, expect, test } from 'vitest';
import { ranges } from '../../src/common/ranges.js';
import { type FwmarkOptions, Netfilter, type NetfilterChange, type NetfilterRuleOptions } from '../../src/index.js';
import type { NetfilterPort } from '../../src/kernel/netfilter/port.js';
import { Machine } from '../../src/memory/machine.js';
import { MemoryNetfilter } from '../../src/memory/netfilter/port.js';

let memory: MemoryNetfilter;
let port: NetfilterPort;
let netfilter: Netfilter;
beforeEach(async () => {
  memory = new MemoryNetfilter(new Machine());
  port = memory.open();
  netfilter = await Netfilter.open({ kernel: { openNetfilter: async () => port } });
});

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => ({ code: 'none', message: 'it did not fail' }),
    (reason: { code: string; message: string }) => reason,
  );
  return `${error.code.replace('ERR_IPVS_', '')}: ${error.message}`;
}

const web = { protocol: 'tcp', port: 80 } as const;
const wide = { destination: '10.0.0.0/8' } as const;
const add = (mark: FwmarkOptions): NetfilterChange => ({ change: 'add-mark', mark });

describe('marks that are there, or not', () => {
  test.each([
    ['in a map', web, 'prerouting tcp dport 80'],
    ['as a rule', wide, 'prerouting ip daddr 10.0.0.0/8'],
  ])('%s: which mark there is', async (_, packets, text) => {
    await netfilter.addMark({ ...packets, mark: 80 });
    const exists = `${text} has the mark 80 (0x50) already`;
    expect(await failure(netfilter.addMark({ ...packets, mark: 81 }))).toContain(
      `MARK_EXISTS: cannot add mark ${text} mark set 0x51: ${exists}`,
    );
    const batch = netfilter.apply([add({ protocol: 'udp', port: 1, mark: 1 }), add({ ...packets, mark: 82 })]);
    expect(await failure(batch)).toContain(exists);
    expect(await failure(netfilter.allocateMark(packets, { from: 1, to: 9 }))).toBe(
      `MARK_EXISTS: cannot allocate a mark: ${exists}`,
    );
  });

  test('many at once: each is told its own', async () => {
    const ports = Array.from({ length: 20 }, (_, i) => i + 1);
    await netfilter.apply(ports.map((number) => add({ protocol: 'tcp', port: number, mark: number })));
    const all = await Promise.all(
      ports.map((number) => failure(netfilter.addMark({ protocol: 'tcp', port: number, mark: 99 }))),
    );
    for (const [index, text] of all.entries())
      expect(text).toContain(`tcp dport ${index + 1} has the mark ${index + 1} (0x`);
  });

  test('some bits of a mark', async () => {
    await netfilter.addMark({ ...web, mark: 0x100, mask: 0xff00 });
    expect(await failure(netfilter.addMark({ ...web, mark: 0x200, mask: 0xff00 }))).toContain(
      'prerouting tcp dport 80 has the mark 256 (0x100) in the bits 0xff00 already',
    );
  });

  test('a kernel that cannot say which: the error does not either', async () => {
    Object.assign(port, { markOf: undefined });
    await netfilter.addMark({ ...web, mark: 80 });
    expect(await failure(netfilter.addMark({ ...web, mark: 81 }))).toContain('a mark is already set for these packets');
    Object.assign(port, { markOf: () => Promise.reject(new Error('no')) });
    expect(await failure(netfilter.addMark({ ...web, mark: 81 }))).toContain('a mark is already set for these packets');
  });

  test.each([
    ['in a map', web],
    ['as a rule', wide],
  ])('%s: what is not there is not changed, or not removed', async (_, packets) => {
    const fail = async (verb: string): Promise<void> => {
      const set = await failure(netfilter.setMark(packets, 1));
      expect(set).toMatch(/^NO_SUCH_MARK: cannot change mark of prerouting .*no mark is set for these packets/);
      const removed = await failure(netfilter.deleteMark(packets));
      expect(removed, verb).toMatch(
        /^NO_SUCH_MARK: cannot delete mark of prerouting .*no mark is set for these packets/,
      );
    };
    await fail('without a table');
    await netfilter.addMark({ protocol: 'tcp', port: 9, mark: 1 });
    await fail('with others');
    expect(await failure(netfilter.apply([{ change: 'set-mark', mark: { ...packets, mark: 1 } }]))).toContain(
      'cannot change mark of',
    );
  });
});

describe('the same twice in one list', () => {
  const masquerade: NetfilterRuleOptions = { type: 'masquerade', mark: 1 };

  test('rules: both places', async () => {
    const list: NetfilterChange[] = [
      { change: 'add-rule', rule: masquerade },
      add({ ...web, mark: 1 }),
      { change: 'add-rule', rule: { ...masquerade, hook: 'postrouting' } },
    ];
    expect(await failure(netfilter.apply(list))).toBe(
      'INVALID_ARGUMENT: change 2: the list has add-rule postrouting meta mark 0x1 masquerade twice: it is change 0 already',
    );
    expect(memory.commits).toEqual([]);
    const remove: NetfilterChange = { change: 'delete-rule', rule: masquerade };
    expect(await failure(netfilter.apply([remove, remove]))).toContain('change 1: the list has delete-rule');
  });

  test('a rule that is removed and added is no mistake', async () => {
    await netfilter.addRule(masquerade);
    await netfilter.apply([
      { change: 'delete-rule', rule: masquerade },
      { change: 'add-rule', rule: masquerade },
    ]);
    expect(await netfilter.rules()).toHaveLength(1);
    expect(await failure(netfilter.addRule(masquerade))).toBe(
      'RULE_EXISTS: cannot add rule postrouting meta mark 0x1 masquerade: it already exists',
    );
    expect(await failure(netfilter.deleteRule({ ...masquerade, mark: 2 }))).toBe(
      'NO_SUCH_RULE: cannot delete rule postrouting meta mark 0x2 masquerade: there is no such rule',
    );
  });

  test('marks: both places', async () => {
    const changes = [add({ ...web, mark: 1 }), { change: 'delete-mark' as const, mark: web }];
    expect(await failure(netfilter.apply(changes))).toMatch(
      /^INVALID_ARGUMENT: change 1: it is for the same packets as change 0: prerouting tcp dport 80/,
    );
    const marks = [1, 2].map((mark) => ({ ...web, mark }));
    expect(await failure(netfilter.set({ marks }))).toMatch(
      /^INVALID_ARGUMENT: marks\[1\]: it is for the same packets as marks\[0\]: prerouting tcp dport 80/,
    );
  });
});

describe('options', () => {
  test.each<[object, string]>([
    [{}, 'with at least one of family, source, destination, protocol, port,'],
    [{ port: 80 }, 'a mark with port requires a protocol: one of tcp, udp, sctp, dccp, udplite'],
    [{ protocol: 'tcp', port: '80' }, 'port must be an integer from 1 to 65535, or a range { from, to }, not "80"'],
    [{ protocol: 'tcp', port: { from: 5, to: 4 } }, 'to of a range of ports from 5 must be an integer from 5 to 65535'],
    [
      { source: '10.0.0.1', destination: 'fd00::1' },
      'must be for one address family: source is ipv4, destination is ipv6',
    ],
    [
      { family: 'ipv6', destination: '10.0.0.1' },
      'must be for one address family: family is ipv6, destination is ipv4',
    ],
    [{ destination: '0.0.0.0/0' }, 'is every address: leave destination out, and name the family (ipv4) instead'],
    [
      { destination: '10.0.0.1/24' },
      'bits after its prefix. Write 10.0.0.0/24 for the network, or 10.0.0.1 for one address',
    ],
    [{ outputInterface: 'eth0' }, 'in the hook prerouting cannot match outputInterface'],
    [{ hook: 'output', inputInterface: 'eth0' }, 'in the hook output cannot match inputInterface'],
    [
      { inputInterface: 'a/b' },
      'inputInterface must be the name of an interface (eth0) or the beginning of names (veth*)',
    ],
    [
      { inputInterface: 'a"b' },
      'inputInterface must be the name of an interface (eth0) or the beginning of names (veth*)',
    ],
    [{ inputInterface: '*' }, 'inputInterface "*" is every interface: leave inputInterface out instead'],
    [{ inputInterface: 'fifteen-letters*' }, 'of 1 to 15 characters of ASCII'],
    [{ inputInterface: 'a\\\\*' }, 'nft cannot list a backslash before a final asterisk'],
    [{ hook: 'forward', ...web }, 'the hook of a mark must be one of prerouting, input, output; not "forward"'],
    [{ ...web, mask: 0xff00, mark: 0xff }, 'mark 0xff has bits outside of its mask 0xff00'],
  ])('a mark for %j', async (options, text) => {
    expect(await failure(netfilter.addMark({ mark: 1, ...options }))).toContain(text);
  });

  test.each<[object, string]>([
    [{ type: 'masquerade' }, 'a rule of type masquerade must name its packets with at least one of mark,'],
    [{ type: 'masquerade', mark: '1' }, 'mark must be an integer from 0 to 4294967295, or { mark, mask }, not "1"'],
    [
      { type: 'masquerade', mark: 1, hook: 'input' },
      'the hook of a rule of type masquerade must be one of postrouting;',
    ],
    [{ type: 'snat', destination: 'fd00::1', to: '10.0.0.1' }, 'one address family: destination is ipv6, to is ipv4'],
    [{ type: 'snat', family: 'ipv6', to: '10.0.0.1' }, 'one address family: family is ipv6, to is ipv4'],
    [{ type: 'dnat', mark: 1, to: '10.0.0.1', toPort: 80 }, 'with toPort requires a protocol: one of tcp'],
    [{ type: 'clamp-mss', size: 'mtu' }, 'size must be a number of bytes from 88 to 65535, or "path", not "mtu"'],
    [{ type: 'clamp-mss', size: 9 }, 'size must be an integer from 88 to 65535, not 9'],
    [{ type: 'clamp-mss', size: 1000, protocol: 'udp' }, 'requires the protocol tcp, or none; not udp'],
  ])('a rule %j', async (options, text) => {
    expect(await failure(netfilter.addRule(options as NetfilterRuleOptions))).toContain(text);
  });

  test('the segment size of clamp-mss is from 88 to 65535 bytes', async () => {
    const { least, most } = ranges.segmentSize;
    expect([least, most]).toEqual([88, 65535]);
    for (const size of [least - 1, most + 1])
      expect(await failure(netfilter.addRule({ type: 'clamp-mss', size }))).toContain('from 88 to 65535');
    for (const size of [least, most]) await netfilter.addRule({ type: 'clamp-mss', size });
    await netfilter.deleteTable();
  });

  test('a misspelt option is answered with the likely one', async () => {
    const rule = { type: 'snat', destnation: '10.0.0.1', to: '10.0.0.2' } as unknown as NetfilterRuleOptions;
    expect(await failure(netfilter.addRule(rule))).toContain("did you mean 'destination'");
  });

  test('ranges and lists', async () => {
    expect(await failure(netfilter.allocateMark(web, { from: 5, to: 4 }))).toContain('to of a range from 5 must be an');
    const taken = 7 as unknown as Iterable<number>;
    expect(await failure(netfilter.allocateMark(web, { from: 1, to: 4, taken }))).toContain(
      'taken must be a list of marks, not 7',
    );
    expect(await failure(netfilter.apply({} as never))).toContain('changes must be a list, not {}');
  });
});
