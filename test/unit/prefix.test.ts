import { describe, expect, test } from 'vitest';
import { checkNetwork, checkPrefix, cutPrefix, formatPrefix, inPrefix, splitPrefix } from '../../src/common/prefix.js';

describe('a prefix', () => {
  test.each([
    ['10.0.0.1/24', '10.0.0.1/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['FD00:0:0::1/064', 'fd00::1/64'],
    ['::ffff:10.0.0.0/120', '10.0.0.0/24'],
  ])('%s becomes %s', (given, canonical) => {
    expect(formatPrefix(checkPrefix('source', given))).toBe(canonical);
  });

  test('an address alone is a prefix only where that is accepted', () => {
    expect(formatPrefix(checkPrefix('source', '10.0.0.1', { bare: true }))).toBe('10.0.0.1/32');
    expect(formatPrefix(checkPrefix('source', 'fd00::1', { bare: true }))).toBe('fd00::1/128');
    expect(() => checkPrefix('source', '10.0.0.1')).toThrow('source must be an address with its prefix length');
  });

  test.each(['', '/', '10.0.0.1/', '/24', '10.0.0.1/24/', '10.0.0.1/2x', '10.0.0.1/-1', 'host/24', 'fe80::1%lo/64', 7])(
    '%j is rejected',
    (given) => {
      for (const bare of [true, false])
        expect(() => checkPrefix('source', given, { bare })).toThrow(/^source must be an address /);
    },
  );

  test('a length beyond that of an address is rejected', () => {
    expect(() => checkPrefix('source', '10.0.0.0/33')).toThrow(
      'the prefix length of source must be an integer from 0 to 32, not 33',
    );
    expect(() => checkPrefix('source', 'fd00::/129')).toThrow('from 0 to 128, not 129');
    expect(() => checkPrefix('source', '::ffff:10.0.0.0/24')).toThrow('Write 10.0.0.0 with a length from 0 to 32');
  });

  test('a network has no bits after its prefix', () => {
    expect(formatPrefix(checkNetwork('source', '10.0.0.0/8'))).toBe('10.0.0.0/8');
    expect(() => checkNetwork('source', '10.0.0.1/24')).toThrow(
      'source "10.0.0.1/24" has bits after its prefix. Write 10.0.0.0/24 for the network, or 10.0.0.1 for one address',
    );
    expect(() => checkNetwork('source', 'fd00::1/127')).toThrow('Write fd00::/127');
  });

  test('the bits after a prefix are cut', () => {
    expect(cutPrefix('10.255.255.255', 9, 'ipv4')).toBe('10.128.0.0');
    expect(cutPrefix('fd00::ffff', 125, 'ipv6')).toBe('fd00::fff8');
    expect(cutPrefix('10.1.2.3', 0, 'ipv4')).toBe('0.0.0.0');
  });

  test('contains the addresses of its family that begin with its bits', () => {
    const within = (prefix: string | undefined, address: string): boolean => inPrefix(prefix)(address);
    expect(within('10.0.0.0/8', '10.255.0.1')).toBe(true);
    expect(within('10.0.0.0/8', '11.0.0.1')).toBe(false);
    expect(within('10.0.0.7/8', '10.255.0.1')).toBe(true);
    expect(within('0.0.0.0/0', '::1')).toBe(false);
    expect(within('fd00::/64', 'fd00::1:0:0:1')).toBe(true);
    expect(within('10.0.0.1', '10.0.0.1')).toBe(true);
    expect(within(undefined, '::1')).toBe(true);
  });

  test('is split into its address and its length', () => {
    expect(splitPrefix('10.0.0.0/8')).toEqual({ address: '10.0.0.0', prefixLength: 8 });
    expect(splitPrefix('10.0.0.0')).toEqual({ address: '10.0.0.0', prefixLength: undefined });
  });
});
