import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { errorCodes } from '../../src/common/error-codes.js';
import { errorsPage, page } from '../errors-page.js';

test('docs/errors.md has the codes and meanings of the tables; scripts/docs/errors writes it', async () => {
  await expect(errorsPage()).toMatchFileSnapshot(fileURLToPath(page));
});

test('every meaning of a code is a sentence that fits a table', () => {
  for (const meaning of Object.values(errorCodes)) expect(meaning).toMatch(/^[A-Z][^|\n]*\.$/);
});
