import { expect, test } from 'vitest';
import { ApplyError, IpvsError } from '../../src/index.js';

const again = '../../src/common/errors.js?another-copy';

test('an error of another copy of the package is an IpvsError, and nothing else is', async () => {
  const other = (await import(again)) as { IpvsError: typeof IpvsError };
  expect(other.IpvsError).not.toBe(IpvsError);
  const theirs = new other.IpvsError('ERR_IPVS_CLOSED', 'the handle is closed');
  expect(theirs instanceof IpvsError).toBe(true);
  expect(theirs instanceof ApplyError).toBe(false);
  for (const value of [new Error('x'), {}, null, undefined, 'x']) expect(value instanceof IpvsError).toBe(false);
  expect(Object.keys(theirs)).toEqual(['name', 'code']);
});
