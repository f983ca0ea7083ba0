// Writes the files that only the package has, not the repository: the addon's source, and the licences of the code in
// dist/. npm runs this before it packs, and with --delete afterwards.
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundledPackages, licencesFile, licencesText } from './licences.mjs';
import { nativeFiles } from './native-source.mjs';

const root = resolve(import.meta.dirname, '../..');
const native = nativeFiles(root);
if (process.argv.includes('--delete')) {
  for (const name of [...Object.keys(native).map((file) => join('native', file)), licencesFile])
    rmSync(join(root, name), { force: true });
} else {
  for (const [name, text] of Object.entries(native)) writeFileSync(join(root, 'native', name), text);
  writeFileSync(join(root, licencesFile), licencesText(root, bundledPackages(join(root, 'dist'))));
}
