// Spellings that the kernel takes for one value: compared with what Linux 6.18 reads back (test/network/sysctls.test.ts).
import { expect, test } from 'vitest';
import { canonicalSysctlValue, isSameSysctlValue } from '../../src/common/sysctl-values.js';

test.each([
  ['8080,8081,9000', '8080-8081,9000'],
  ['9000,8080-8090,8085-8100', '8080-8100,9000'],
  ['80-80', '80'],
  ['010,020', '8,16'],
  ['1025 60000', '1025\t60000'],
  ['0x1818', '6168'],
  ['040', '32'],
  ['-0x1', '-1'],
  ['00', '0'],
  [' 50 ', '50'],
  ['', '\n'],
  ['18446744073709551615', '0xffffffffffffffff'],
])('takes %j for %j', (one, other) => {
  expect(isSameSysctlValue(one, other)).toBe(true);
  expect(isSameSysctlValue(other, one)).toBe(true);
});

test.each([
  ['', '0'],
  ['8', '08'],
  ['10', '010'],
  ['1-3', '1,3'],
  ['5-3', '3-5'],
  ['cubic', 'reno'],
  ['9007199254740993', '9007199254740992'],
])('tells %j from %j', (one, other) => {
  expect(isSameSysctlValue(one, other)).toBe(false);
});

test('leaves text that is no number as it is', () => {
  expect(canonicalSysctlValue('2001:0db8:0000:0000:0000:0000:0000:0001')).toBe(
    '2001:0db8:0000:0000:0000:0000:0000:0001',
  );
  expect(canonicalSysctlValue('00000001-00000002-00000003-00000004')).toBe('00000001-00000002-00000003-00000004');
});
