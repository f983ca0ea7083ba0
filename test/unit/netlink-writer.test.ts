import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IpvsError } from '../../src/common/errors.js';
import { readAttributes, readMessages } from '../../src/linux/netlink/reader.js';
import { MessageWriter } from '../../src/linux/netlink/writer.js';

/** Bytes in the content of one attribute. */
const MOST = 65_531;

function written(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter();
  writer.message(1, 0, () => write(writer));
  return writer.take().bytes;
}

function refusal(write: (writer: MessageWriter) => void): string {
  try {
    written(write);
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_INVALID_ARGUMENT') return error.message;
    throw error;
  }
  return 'written';
}

test('an attribute takes 65531 bytes, and refuses one more', () => {
  expect(refusal((writer) => writer.bytes(1, new Uint8Array(MOST)))).toBe('written');
  expect(refusal((writer) => writer.bytes(7, new Uint8Array(MOST + 1)))).toBe(
    'netlink attribute 7 holds 65532 bytes, and netlink takes at most 65531',
  );
  expect(refusal((writer) => writer.text(1, 'x'.repeat(MOST - 1)))).toBe('written');
  expect(refusal((writer) => writer.text(1, 'x'.repeat(MOST)))).toContain('65532 bytes');
  expect(refusal((writer) => writer.text(1, 'ü'.repeat(40_000)))).toContain('80001 bytes');
});

test('nested attributes count for those around them', () => {
  const nested = (size: number) => (writer: MessageWriter) =>
    writer.nest(1, () => writer.nest(2, () => writer.bytes(3, new Uint8Array(size))));
  expect(refusal(nested(65_520))).toBe('written');
  expect(refusal(nested(65_521))).toBe('netlink attribute 1 holds 65532 bytes, and netlink takes at most 65531');
  expect(refusal(nested(MOST))).toContain('attribute 2 holds 65536 bytes');
});

test('many small attributes in one are refused, too', () => {
  const many = (count: number) => (writer: MessageWriter) =>
    writer.nest(1, () => {
      for (let i = 0; i < count; i++) writer.u32(2, i);
    });
  expect(refusal(many(8191))).toBe('written');
  expect(refusal(many(8192))).toContain('attribute 1 holds 65536 bytes');
});

test('all messages together have a limit', () => {
  const fill = (most: number): void => {
    const writer = new MessageWriter(most);
    for (let i = 0; i < 100; i++) writer.message(1, 0, () => writer.bytes(1, new Uint8Array(100)));
  };
  expect(() => fill(12_000)).not.toThrow();
  expect(() => fill(11_999)).toThrow(/take more than 11999 bytes/);
});

test('what is written is read again, or refused', () => {
  const attribute = fc.record({ type: fc.integer({ min: 1, max: 0x3fff }), size: fc.integer({ min: 0, max: 70_000 }) });
  fc.assert(
    fc.property(fc.array(attribute, { maxLength: 4 }), (attributes) => {
      let bytes: Uint8Array;
      try {
        bytes = written((writer) => {
          for (const { type, size } of attributes) writer.bytes(type, new Uint8Array(size).fill(1));
        });
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
        expect(attributes.some(({ size }) => size > MOST)).toBe(true);
        return;
      }
      const [message] = readMessages(bytes.slice().buffer);
      const read = [...readAttributes(message?.payload ?? new Uint8Array())];
      expect(read.map(({ type, bytes: { length } }) => ({ type, size: length }))).toEqual(attributes);
    }),
    { numRuns: 50 },
  );
});
