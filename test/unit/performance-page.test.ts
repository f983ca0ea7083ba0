import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { page, performancePage } from '../performance-page.js';

test('docs/performance.md has the figures of docs/performance.json; scripts/docs/performance writes it', async () => {
  await expect(performancePage()).toMatchFileSnapshot(fileURLToPath(page));
});
