import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { dirname, join } from 'node:path';
import { type Command, CommandFailure, UsageError } from './command.js';
import { findNodeGyp, findProgram } from './node-gyp.js';
import { packageRoot } from './package.js';

/** Compiles the addon, and puts it where `loadAddon()` looks first. */
export const build: Command = {
  summary: 'compile the native addon, for a system without a prebuilt binary',
  help: `usage: ipvs build

Compiles the native addon into build/Release/ of the package, where it takes precedence over a prebuilt binary.
Requires Linux, a C++20 compiler (g++ 11 or clang 14, or later), make, Python 3 and node-gyp, which npm has.
Variables of the environment: CXX (compiler), PYTHON, npm_config_node_gyp (path of node-gyp.js).
`,
  run(words) {
    const [extra] = words;
    if (extra !== undefined) throw new UsageError(`build takes no arguments: ${extra}`);
    checkPlatform();
    const root = packageRoot();
    const nodeGyp = findNodeGyp(root, process.env);
    if (nodeGyp === undefined)
      throw failure(
        'node-gyp is not found',
        'Run it as `npx ipvs build`, or install it: `npm install --save-dev node-gyp`',
      );
    checkPrograms(process.env);
    process.stderr.write(`ipvs: compiling the native addon with ${nodeGyp} (about a minute) ...\n`);
    process.stdout.write(`${compile(root, nodeGyp)}\n`);
  },
};

function failure(reason: string, advice: string): CommandFailure {
  return new CommandFailure(`cannot build the native addon: ${reason}. ${advice}`);
}

function checkPlatform(): void {
  if (process.platform !== 'linux')
    throw failure(
      `it controls the Linux kernel, and this is ${process.platform}`,
      'Types, validation, plans and the kernel in memory (`ipvs/testing`) work without it',
    );
  if (endianness() !== 'LE')
    throw failure(`${process.arch} is big-endian`, 'The library supports little-endian processors only');
}

/** Checks the programs that node-gyp starts: its own errors name them after a page of other text. */
function checkPrograms({ PATH: path = '', CXX: compiler = 'g++', PYTHON: python }: NodeJS.ProcessEnv): void {
  // A compiler may have a wrapper in front of it, and options behind: `ccache g++ -m64`.
  const programs = [compiler, 'make', python ?? 'python3'].map((command) => nameOf(command));
  const missing = programs.filter((program) => findProgram(program, path) === undefined);
  if (missing.length > 0)
    throw failure(
      `${missing.join(', ')} not found`,
      `To install what it requires:
  Debian, Ubuntu  apt-get install g++ make python3
  Fedora, RHEL    dnf install gcc-c++ make python3
  Alpine          apk add g++ make python3 linux-headers`,
    );
}

function nameOf(command: string): string {
  return (
    command
      .trim()
      .split(/\s+/)
      .filter((word) => !word.startsWith('-'))
      .at(-1) ?? ''
  );
}

/** Returns the path of the compiled addon. A repository has its binding.gyp at the top, a package below native/. */
function compile(root: string, nodeGyp: string): string {
  const isRepository = existsSync(join(root, 'binding.gyp'));
  const folder = isRepository ? root : join(root, 'native');
  const words = [nodeGyp, 'rebuild', '-C', folder, '-j', 'max', ...headersOption()];
  const { status, error, output } = spawnSync(process.execPath, words, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) {
    process.stderr.write(output?.join('') ?? '');
    throw failure(
      error?.message ?? `node-gyp failed with exit status ${status}`,
      'Its messages are above; usual causes: a compiler without C++20, missing kernel headers, no write permission',
    );
  }
  const compiled = join(folder, 'build/Release/ipvs.node');
  checkLoads(compiled);
  return isRepository ? compiled : install(compiled, root);
}

/** Names the headers that came with this Node; node-gyp downloads them otherwise. */
function headersOption(): string[] {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

function checkLoads(addon: string): void {
  try {
    createRequire(import.meta.url)(addon);
  } catch (error) {
    throw failure(`Node cannot load what was compiled: ${String(error)}`, 'Is the compiler for this system?');
  }
}

/** Replaces the file in one step: a process may have the old one loaded. */
function install(compiled: string, root: string): string {
  const target = join(root, 'build/Release/ipvs.node');
  mkdirSync(dirname(target), { recursive: true });
  renameSync(compiled, target);
  rmSync(join(root, 'native/build'), { recursive: true, force: true });
  return target;
}
