// The licences of the packages whose code scripts/bundle.mjs copies into dist/: they require that their text is kept.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Name of the file with the texts, in the package. */
export const licencesFile = 'THIRD-PARTY-LICENSES';

const notice = new RegExp(`^/\\*! Contains code of ([^:]+): see ${licencesFile} \\*/$`, 'm');

/** Returns the comment of a bundled file that names the packages it has code of. @param {readonly string[]} modules */
export function bundledNotice(modules) {
  const names = modules.flatMap((id) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []);
  const distinct = [...new Set(names)].sort();
  return distinct.length > 0 ? `/*! Contains code of ${distinct.join(', ')}: see ${licencesFile} */` : '';
}

/** Returns the names of the packages that the files of a folder have code of. @param {string} dist */
export function bundledPackages(dist) {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
  const names = files.flatMap((name) => notice.exec(readFileSync(join(dist, name), 'utf8'))?.[1]?.split(', ') ?? []);
  return [...new Set(names)].sort();
}

/** Returns the text of the file. @param {string} root @param {readonly string[]} names */
export function licencesText(root, names) {
  const sections = names.map((name) => {
    const folder = join(root, 'node_modules', name);
    /** @type {{ version: string, license: string }} */
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const [file] = readdirSync(folder).filter((one) => /^licen[cs]e/i.test(one));
    if (file === undefined) throw new Error(`cannot copy the licence of ${name}: the package has no licence file`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return `dist/ contains code of these packages.\n\n${sections.map((one) => `---\n\n${one}`).join('\n')}`;
}
