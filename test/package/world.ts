// The tarball that npm publishes, and empty projects that install it.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

export const root = resolve(import.meta.dirname, '../..');

/** Folder of everything that a file of tests writes. Files of tests share this module. */
let directory = '';

/** Makes a folder for the tests of a file, which has to call this. */
export function useFolder(): void {
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'ipvs-package-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));
}

export interface Tarball {
  readonly path: string;
  /** Paths and sizes of its files. */
  readonly files: readonly { readonly path: string; readonly size: number }[];
  /** Size of the tarball, in bytes. */
  readonly size: number;
}

let packed: (Omit<Tarball, 'path'> & { readonly name: string; readonly content: Buffer }) | undefined;

/** Returns the package, packed once as `npm publish` does: with its prepack and postpack. */
export function pack(): Tarball {
  packed ??= packOnce();
  const { name, content, files, size } = packed;
  const path = join(directory, name);
  writeFileSync(path, content);
  return { path, files, size };
}

function packOnce(): NonNullable<typeof packed> {
  const words = ['pack', '--json', '--loglevel=error', `--pack-destination=${directory}`];
  const output = execFileSync('npm', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  // Output of the scripts comes first.
  const [{ filename: name, files, size }] = JSON.parse(output.slice(output.search(/^\[\s*\{/m)));
  return { name, files, size, content: readFileSync(join(directory, name)) };
}

/** Installs the tarball into an empty project without scripts, and returns the folder of the project. */
export function install(tarball: Tarball): string {
  const project = emptyProject();
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...options, tarball.path], { cwd: project, stdio: ['ignore', 'ignore', 'inherit'] });
  addBinary(project);
  return project;
}

export function emptyProject(): string {
  const project = mkdtempSync(join(directory, 'project-'));
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  return project;
}

/** Gives an installed package the addon of this repository, if it was packed before the prebuilt binaries were made. */
export function addBinary(project: string): void {
  const installed = join(project, 'node_modules/ipvs');
  if (existsSync(join(installed, `prebuilds/linux-${process.arch}`))) return;
  mkdirSync(join(installed, 'build/Release'), { recursive: true });
  cpSync(join(root, 'build/Release/ipvs.node'), join(installed, 'build/Release/ipvs.node'));
}

/** Runs a command with a version of Node and returns its output; a failure has the output in its message. */
export function runWith(major: number, cwd: string, ...command: string[]): { stdout: string; stderr: string } {
  const words = [String(major), '--', ...command];
  const { status, stdout, stderr } = spawnSync(join(root, 'scripts/with-node'), words, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`);
  return { stdout, stderr };
}

/** A program that prints the links and the flows of a namespace, as this repository's tests expect them. */
const requests = `
const main = async ({ Conntrack, Network }) => {
  const options = { namespace: process.argv[2] };
  const network = await Network.open(options);
  const conntrack = await Conntrack.open(options);
  const links = (await network.links()).map(({ name }) => name);
  const { count } = await conntrack.usage();
  await network.close();
  await conntrack.close();
  console.log(JSON.stringify({ links, count }));
};
`;

/** Writes programs that send requests to a kernel: as an ES module, and as CommonJS. */
export function writePrograms(project: string): void {
  writeFileSync(join(project, 'esm.mjs'), `import * as library from 'ipvs';${requests}await main(library);\n`);
  writeFileSync(join(project, 'cjs.cjs'), `const library = require('ipvs');${requests}main(library);\n`);
}
