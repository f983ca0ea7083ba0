// Rules of nf_tables: what is written is what is read, and what is not understood breaks nothing.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Errno } from '../../src/common/errno.js';
import { KernelFailure } from '../../src/common/errors.js';
import { keyLayouts, NftElementList, writeKey } from '../../src/kernel/netfilter/elements.js';
import type { NftExpression } from '../../src/kernel/netfilter/expression.js';
import { chainNamed, chainText, mapNamed, mapText } from '../../src/kernel/netfilter/names.js';
import { readRule, ruleExpressions } from '../../src/kernel/netfilter/rules.js';
import { mapShapes, type NftChainName, type NftHook, type NftTableChange } from '../../src/kernel/netfilter/types.js';
import { BatchWriter } from '../../src/linux/netfilter/batch.js';
import { readExpression, writeExpression } from '../../src/linux/netfilter/expressions.js';
import { readElement } from '../../src/linux/netfilter/maps.js';
import {
  attributesOf,
  commentOf,
  readChain,
  readElements,
  readMap,
  readRuleEntry,
} from '../../src/linux/netfilter/messages.js';
import { readAttributes, readMessages } from '../../src/linux/netlink/reader.js';
import { MessageWriter } from '../../src/linux/netlink/writer.js';
import { checkMark, mapOf, markOf, ruleOf } from '../../src/netfilter/mark-options.js';
import { checkRule, ruleOptions as optionsOf } from '../../src/netfilter/rule-options.js';
import { markOptions, ruleOptions } from '../netfilter/arbitraries.js';

const anyRule = fc.oneof(
  ruleOptions().map((options) => checkRule(options)),
  markOptions().map((options) => ruleOf(checkMark(options))),
);

test('a rule that is written is read as itself', () => {
  fc.assert(
    fc.property(anyRule, (rule) => {
      expect(readRule(rule.hook, ruleExpressions(rule.hook, rule))).toEqual(rule);
    }),
    { numRuns: 500 },
  );
  for (const hook of ['prerouting', 'input', 'output'] as const)
    for (const lookup of mapShapes) expect(readRule(hook, ruleExpressions(hook, { lookup }))).toEqual({ lookup });
}, 120_000);

test('also by way of a message', () => {
  fc.assert(
    fc.property(anyRule, (rule) => {
      const writer = new MessageWriter();
      writer.message(0, 0, () => {
        for (const expression of ruleExpressions(rule.hook, rule)) writeExpression(writer, expression);
      });
      const { bytes } = writer.take();
      const [message] = [...readMessages(bytes.slice().buffer)];
      const expressions = Array.from(readAttributes(message?.payload ?? bytes), ({ nested }) => readExpression(nested));
      expect(expressions).toEqual(ruleExpressions(rule.hook, rule));
      expect(readRule(rule.hook, expressions)).toEqual(rule);
    }),
    { numRuns: 200 },
  );
}, 120_000);

test('a rule with something changed, left out or added is another rule, or none', () => {
  const expressions = anyRule.map((rule) => [rule, ruleExpressions(rule.hook, rule)] as const);
  fc.assert(
    fc.property(expressions, fc.nat(), fc.nat(), fc.nat(), ([rule, list], at, byte, how) => {
      const index = at % list.length;
      const one = list[index];
      if (!one || one.name === 'counter') return;
      const data = Object.entries(one).find(([, value]) => value instanceof Uint8Array && value.length > 0);
      const changed = structuredClone(one) as Record<string, unknown>;
      if (data) {
        const copy = changed[data[0]] as Uint8Array;
        copy[byte % copy.length] = (copy[byte % copy.length] as number) ^ (1 << (byte % 8));
      }
      const other = [
        list.toSpliced(index, 1),
        list.toSpliced(index, 0, one),
        data ? list.with(index, changed as never) : list.toSpliced(index, 1),
        [...list, { name: 'other', what: 'log' } as const],
        list.slice(0, index),
      ][how % 5] as typeof list;
      expect(readRule(rule.hook, other)).not.toEqual(rule);
    }),
    { numRuns: 1000 },
  );
}, 120_000);

test('options make a rule, and that rule the options of the same rule', () => {
  fc.assert(
    fc.property(ruleOptions(), (options) => {
      const rule = checkRule(options);
      expect(checkRule(optionsOf(rule))).toEqual(rule);
      expect(checkRule(JSON.parse(JSON.stringify(optionsOf(rule))))).toEqual(rule);
    }),
    { numRuns: 500 },
  );
}, 120_000);

test('a mark that lives in a map is found there again', () => {
  fc.assert(
    fc.property(markOptions(), (options) => {
      const settings = checkMark(options);
      const place = mapOf(settings);
      if (!place) return;
      const { map, key } = place;
      const layout = keyLayouts[map.shape];
      const bytes = new Uint8Array(layout.length);
      writeKey(bytes, 0, layout, key);
      const element = readElement(map.shape, bytes, settings.mark);
      expect(element).toEqual({ ...key, mark: settings.mark });
      expect(markOf(map, element ?? {}, settings.mark)).toEqual(settings);
      expect([...new NftElementList(map, [{ ...key, mark: settings.mark }])]).toEqual([element]);
    }),
    { numRuns: 500 },
  );
}, 120_000);

test('names of chains and maps are read as they are written', () => {
  const hooks: readonly NftHook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
  for (const purpose of ['mark', 'nat', 'mss'] as const)
    for (const hook of hooks) {
      const found = chainNamed(chainText({ purpose, hook }));
      if (found) expect(found).toEqual({ purpose, hook });
    }
  for (const hook of ['prerouting', 'input', 'output'] as const)
    for (const shape of mapShapes) expect(mapNamed(mapText({ hook, shape }))).toEqual({ hook, shape });
  for (const text of ['', 'mark', 'mark_', 'constructor', '__proto__', 'prerouting_port_', 'nat_forward']) {
    expect(chainNamed(text)).toBeUndefined();
    expect(mapNamed(text)).toBeUndefined();
  }
}, 120_000);

/** Everything that reads what the kernel says. */
function readAll(buffer: ArrayBuffer): void {
  for (const message of readMessages(buffer)) {
    readChain(message);
    readMap(message);
    readRuleEntry(message);
    for (const shape of mapShapes) [...readElements(message, { hook: 'input', shape })];
    commentOf(attributesOf(message).get(6)?.bytes);
  }
}
function mayFail(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof KernelFailure) || error.errno !== Errno.EBADMSG) throw error;
  }
}

const chain: NftChainName = { purpose: 'nat', hook: 'prerouting' };
const changes: fc.Arbitrary<NftTableChange[]> = fc.array(
  fc.oneof(
    anyRule.map((rule) => ({ change: 'add-rule', chain: { purpose: 'mark', hook: rule.hook }, rule }) as const),
    fc.constant({ change: 'add-chain', chain } as const),
    fc.constant({ change: 'add-table', comment: 'made by ipvs' } as const),
    fc.constantFrom(...mapShapes.map((shape) => ({ change: 'add-map', map: { hook: 'input', shape } }) as const)),
    fc.constantFrom(
      ...mapShapes.map((shape) => {
        const address = keyLayouts[shape].family === 'ipv6' ? 'fd00::1' : '10.0.0.1';
        const element = { address, protocol: 'tcp', port: 80, mark: 7 } as const;
        return { change: 'add-element', map: { hook: 'input', shape }, element } as const;
      }),
    ),
  ),
  { minLength: 1, maxLength: 4 },
);

test('garbage, and messages with bytes changed or cut off, fail as malformed or not at all', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => mayFail(() => readAll(bytes.slice().buffer))),
    { numRuns: 500 },
  );
  const place = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 });
  fc.assert(
    fc.property(changes, place, fc.nat(), (list, places, end) => {
      const bytes = Buffer.concat([...new BatchWriter('ipvs', list, 7).pieces()].map((piece) => piece.bytes));
      for (const [at, value] of places) bytes[at % bytes.length] = value;
      mayFail(() => readAll(bytes.slice().buffer));
      mayFail(() => readAll(bytes.slice(0, end % bytes.length).buffer));
    }),
    { numRuns: 1000 },
  );
}, 120_000);

test('expressions with any numbers and data are read, or are not ours', () => {
  const name = fc.constantFrom(
    'meta',
    'payload',
    'cmp',
    'bitwise',
    'immediate',
    'lookup',
    'counter',
    'fib',
    'masq',
    'nat',
    'redir',
    'rt',
    'byteorder',
    'exthdr',
    'log',
  );
  const small = fc.integer({ min: 0, max: 20 });
  const value = fc.oneof(
    small.map((number) => ({ number })),
    fc.uint8Array({ maxLength: 17 }).map((data) => ({ data })),
  );
  const expression = fc.record({
    name,
    fields: fc.array(fc.tuple(fc.integer({ min: 1, max: 8 }), value), { maxLength: 6 }),
  });
  fc.assert(
    fc.property(
      fc.array(expression, { maxLength: 6 }),
      fc.constantFrom('prerouting', 'postrouting', 'forward'),
      (list, hook) => {
        const writer = new MessageWriter();
        writer.message(0, 0, () => {
          for (const { name, fields } of list)
            writer.nest(1, () => {
              writer.text(1, name);
              writer.nest(2, () => {
                for (const [type, value] of fields)
                  if ('number' in value) writer.be32(type, value.number);
                  else writer.nest(type, () => writer.bytes(1, value.data));
              });
            });
        });
        mayFail(() => {
          const [message] = [...readMessages(writer.take().bytes.slice().buffer)];
          if (!message) return;
          readRule(
            hook as NftHook,
            Array.from(readAttributes(message.payload), ({ nested }) => readExpression(nested)),
          );
        });
      },
    ),
    { numRuns: 3000 },
  );
}, 120_000);

test('NAT of IPv6 to a port alone, and comparisons with nothing, are not ours', () => {
  const port = { name: 'immediate', register: 1, data: Uint8Array.of(0, 80) } as const;
  const nat = { name: 'nat', type: 1, family: 10, address: 0, port: 1 } as const;
  const counter = { name: 'counter', packets: 0n, bytes: 0n } as const;
  expect(readRule('prerouting', [counter, port, nat])).toBeUndefined();
  const nothing = { name: 'cmp', operator: 0, register: 1, data: new Uint8Array() } as const;
  expect(readRule('prerouting', [{ name: 'meta', key: 3, register: 1 }, nothing, counter, port])).toBeUndefined();
}, 120_000);

test('the first bytes of an address are a prefix, and those of the name of an interface the beginning of names', () => {
  const payload = (offset: number, length: number) =>
    ({ name: 'payload', base: 1, offset, length, register: 1 }) as const;
  const compare = (...data: readonly number[]) =>
    ({ name: 'cmp', operator: 0, register: 1, data: Uint8Array.from(data) }) as const;
  const meta = (key: number) => ({ name: 'meta', key, register: 1 }) as const;
  const counter = { name: 'counter', packets: 0n, bytes: 0n } as const;
  const masquerade = { name: 'masquerade' } as const;
  const read = (...expressions: readonly NftExpression[]) => {
    const rule = readRule('postrouting', [...expressions, counter, masquerade]);
    return rule && 'match' in rule ? rule.match : undefined;
  };
  const [ipv4, ipv6] = [
    [meta(15), compare(2)],
    [meta(15), compare(10)],
  ] as const;
  expect(read(...ipv4, payload(16, 2), compare(10, 1))).toEqual({ family: 'ipv4', destination: '10.1.0.0/16' });
  expect(read(...ipv6, payload(8, 1), compare(0xfd))).toEqual({ family: 'ipv6', source: 'fd00::/8' });
  expect(read(meta(6), compare(118, 101))).toEqual({ inputInterface: 've*' });
  // An earlier version of this library wrote the asterisk as a part of the name.
  expect(read(meta(6), compare(118, 42, ...Array<number>(14).fill(0)))).toEqual({ inputInterface: 'v\\*' });
  for (const other of [
    [...ipv4, payload(16, 2), compare(10)],
    [...ipv4, payload(17, 2), compare(10, 1)],
    [...ipv4, payload(24, 8), compare(10, 1, 1, 1, 1, 1, 1, 1)],
    [...ipv4, payload(12, 0), compare()],
    [...ipv6, payload(16, 2), compare(10, 1)],
    [...ipv4, payload(16, 2), { ...compare(10, 1), operator: 1 }],
    [...ipv4, { ...payload(16, 2), base: 2 }, compare(10, 1)],
    [payload(16, 2), compare(10, 1)],
    [meta(6), compare()],
  ])
    expect(read(...other)).toBeUndefined();
});
