// Bundles the modules in out/modules (tsc) into dist/, which the package ships: one file for each entry, and chunks for
// what entries share or load later. The used parts of ipaddr.js, yaml and zod become a part of it. The declarations are
// bundled in the same way. Does nothing if dist/ is up to date.
import { chmodSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundledNotice } from './pack/licences.mjs';

const root = resolve(import.meta.dirname, '..');
const modules = join(root, 'out/modules');
const dist = join(root, 'dist');
/** Becomes dist when it is complete. */
const made = join(root, 'out/dist');
/** Paths below out/modules and dist. */
const entries = ['index', 'kernel/index', 'memory/index'];
/** The command `ipvs`: its path below out/modules, without a declaration. */
const command = 'cli/main';

/** @param {string} path */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** The bundlers are loaded only if this returns false: that takes a second. */
function isUpToDate() {
  const sources = readdirSync(modules, { recursive: true, encoding: 'utf8' }).map((name) => join(modules, name));
  const tools = ['package-lock.json', 'scripts/bundle.mjs', 'scripts/pack/licences.mjs'].map((name) =>
    join(root, name),
  );
  return Math.max(...[...sources, ...tools].map(changed)) < changed(dist);
}

/** @param {string} extension */
const inputs = (extension) => Object.fromEntries(entries.map((name) => [name, join(modules, name + extension)]));

async function bundleCode() {
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    input: { ...inputs('.js'), cli: join(modules, `${command}.js`) },
    platform: 'neutral',
    resolve: { mainFields: ['main'] },
    external: [/^node:/],
  });
  await bundle.write({
    dir: made,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    comments: { legal: true, annotation: false, jsdoc: false },
    minifyInternalExports: false,
    footer: ({ moduleIds }) => bundledNotice(moduleIds),
    // `common` is for all entries, and `library` is what `ipvs` loads at once. Everything else is in the file of what
    // loads it: an entry, or an import().
    codeSplitting: {
      groups: [
        { name: 'common', test: /out\/modules\/(common|kernel)\/|node_modules\/ipaddr|rolldown\/runtime/, priority: 2 },
        { name: 'library', test: /out\/modules\/(?!memory\/|cli\/)/, tags: ['$initial'] },
      ],
    },
  });
  await bundle.close();
}

async function bundleDeclarations() {
  const { rollup } = await import('rollup');
  const { dts } = await import('rollup-plugin-dts');
  const bundle = await rollup({ input: inputs('.d.ts'), plugins: [dts()] });
  await bundle.write({
    dir: made,
    entryFileNames: '[name].d.ts',
    chunkFileNames: 'types.d.ts',
    minifyInternalExports: false,
  });
  await bundle.close();
}

if (!isUpToDate()) {
  rmSync(made, { recursive: true, force: true });
  await Promise.all([bundleCode(), bundleDeclarations()]);
  chmodSync(join(made, 'cli.js'), 0o755);
  // Fields of a document, for editors and other languages.
  const { documentJsonSchema } = await import('../out/modules/desired/document/schema.js');
  writeFileSync(join(made, 'document.schema.json'), `${JSON.stringify(documentJsonSchema(), undefined, 2)}\n`);
  rmSync(dist, { recursive: true, force: true });
  renameSync(made, dist);
}
