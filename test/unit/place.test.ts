import { expect, test } from 'vitest';
import { about, at, invalidAt } from '../../src/common/check.js';
import { invalid } from '../../src/common/errors.js';

const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};
const fail = (error: Error) => (): never => {
  throw error;
};

test('the place of an error is joined from the outside, whatever its message looks like', () => {
  const inner = () => at('servers[1]', fail(invalid('tags[0]: not a path, but text')));
  expect(messageOf(() => at('services[0]', inner))).toBe('services[0].servers[1]: tags[0]: not a path, but text');
  expect(messageOf(() => at('services[0]', fail(invalidAt('sorryServer', 'x'))))).toBe('services[0].sorryServer: x');
  expect(messageOf(() => about('the document', inner))).toBe('the document: servers[1]: tags[0]: not a path, but text');
  const foreign = new TypeError('not checked');
  expect(messageOf(() => at('services[0]', fail(foreign)))).toBe('not checked');
});
