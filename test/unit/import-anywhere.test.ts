import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let directory = '';

beforeAll(() => {
  // The package as it is, but for the addon.
  directory = mkdtempSync(join(tmpdir(), 'ipvs-import-'));
  mkdirSync(join(directory, 'ipvs'));
  cpSync(join(root, 'dist'), join(directory, 'ipvs/dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(directory, 'ipvs/package.json'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'ipvs/node_modules'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function run(program: string, ...flags: string[]): string {
  const source = `import * as library from ${JSON.stringify(join(directory, 'ipvs/dist/index.js'))};\n${program}`;
  return execFileSync(process.execPath, [...flags, '--input-type=module', '-e', source], { encoding: 'utf8' });
}

test('without an addon: importing and validating work, opening says what was tried', () => {
  const output = run(`
    const { namespacePath } = await import(${JSON.stringify(join(directory, 'ipvs/dist/kernel/index.js'))});
    console.log(namespacePath('blue'));
    try { namespacePath({ pid: 0 }); } catch (error) { console.log(error.code); }
    for (let i = 0; i < 2; i++) {
      await library.Ipvs.open().catch((error) => console.log(error instanceof library.IpvsError, error.code, error.message));
    }`);
  const [path, invalid, first, ...rest] = output.trim().split('\n');
  expect(path).toBe('/run/netns/blue');
  expect(invalid).toBe('ERR_IPVS_INVALID_ARGUMENT');
  expect(first).toMatch(/^true ERR_IPVS_ADDON_NOT_LOADED cannot load the native addon of ipvs for /);
  expect(output).toContain(`${directory}/ipvs/ (build/Release/, prebuilds/)`);
  expect(rest.join('\n')).toContain('npx ipvs build');
});

describe.runIf(process.platform === 'linux')('the prebuilt binary is the one for the C library of Node', () => {
  /** Returns the error of loading for a Node with this ELF interpreter: the binaries of this package are no programs. */
  const chosenFor = (interpreter: string, before = ''): string => {
    const folder = mkdtempSync(join(directory, 'libc-'));
    const prebuilds = join(folder, `ipvs/prebuilds/linux-${process.arch}`);
    mkdirSync(prebuilds, { recursive: true });
    for (const libc of ['glibc', 'musl']) writeFileSync(join(prebuilds, `ipvs.${libc}.node`), 'no program');
    for (const part of ['dist', 'package.json', 'node_modules'])
      symlinkSync(join(directory, 'ipvs', part), join(folder, 'ipvs', part));
    writeFileSync(join(folder, 'node'), `\x7fELF ${'\0'.repeat(600)}${interpreter}\0`);
    return run(
      `
      import { createRequire } from 'node:module';
      const require = createRequire('${directory}/ipvs/package.json');
      ${before}
      process.execPath = ${JSON.stringify(join(folder, 'node'))};
      const copy = await import('${folder}/ipvs/dist/index.js');
      await copy.Ipvs.open().catch((error) => console.log(error.message));
      console.log('LIBC afterwards:', process.env.LIBC);
      console.log('cached afterwards:', Object.keys(require.cache).filter((name) => /node-gyp-build.js$/.test(name)).length);`,
      '--preserve-symlinks',
      '--preserve-symlinks-main',
    );
  };

  test.each([
    ['/lib/ld-musl-x86_64.so.1', 'musl'],
    ['/lib64/ld-linux-x86-64.so.2', 'glibc'],
    ['/nix/store/abc-musl-1.2.5/lib/ld-musl-aarch64.so.1', 'musl'],
  ])('%s: %s', (interpreter, libc) => {
    const output = chosenFor(interpreter);
    expect(output).toContain(`ipvs.${libc}.node`);
    expect(output).toContain('LIBC afterwards: undefined\ncached afterwards: 0\n');
  });

  test('a node-gyp-build that another package has loaded does not decide, and remains', () => {
    const before = "const theirs = require('node-gyp-build');";
    const output = chosenFor('/lib/ld-musl-x86_64.so.1', before);
    expect(output).toContain('ipvs.musl.node');
    expect(output).toContain('cached afterwards: 1\n');
  });

  test('LIBC in the environment decides', () => {
    const output = chosenFor('/lib64/ld-linux-x86-64.so.2', "process.env.LIBC = 'musl';");
    expect(output).toContain('ipvs.musl.node');
    expect(output).toContain('LIBC afterwards: musl');
  });
});

test('on another system: importing works, and opening says why a kernel cannot be opened and what works', () => {
  const output = run(`
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    await library.Ipvs.open().catch((error) => console.log(error.code, error.message));`);
  expect(output).toMatch(/^ERR_IPVS_ADDON_NOT_LOADED/);
  expect(output).toContain('cannot open the kernel of darwin-');
  expect(output).toContain('IPVS, conntrack and nf_tables are parts of the Linux kernel. Run the program on Linux');
  expect(output).toContain('MemoryKernel of ipvs/testing');
  expect(output).not.toContain('npx ipvs build');
});

test.runIf(process.platform === 'linux')('a second copy of the package shares the addon', () => {
  const copies = ['one', 'two'].map((name) => {
    mkdirSync(join(directory, name));
    for (const part of ['dist', 'package.json'])
      cpSync(join(root, part), join(directory, name, part), { recursive: true });
    for (const part of ['node_modules', 'build']) symlinkSync(join(root, part), join(directory, name, part));
    return join(directory, name, 'dist/index.js');
  });
  const output = run(`
    for (const copy of ${JSON.stringify(copies)}) {
      const { Ipvs, IpvsError } = await import(copy);
      const handle = await Ipvs.open().catch((error) => error);
      console.log(handle instanceof IpvsError ? handle.code : 'open');
      await handle.close?.();
    }`);
  // Whatever this machine's kernel says to the first copy, it says to the second.
  const [first, second] = output.trim().split('\n');
  expect(first).toMatch(/^(open|ERR_IPVS_NOT_AVAILABLE|ERR_IPVS_PERMISSION)$/);
  expect(second).toBe(first);
});

test('another kernel can stand in for the real one', () => {
  const output = run(`
    const port = { info: async () => ({ version: '9.9.9', connectionTableSize: 1 }), close: async () => {} };
    const ipvs = await library.Ipvs.open({ kernel: { openIpvs: async () => port } });
    console.log((await ipvs.info()).version);
    await ipvs[Symbol.asyncDispose]();`);
  expect(output).toBe('9.9.9\n');
});

test('the kernel in memory works without an addon, on any system', () => {
  const output = run(`
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const { MemoryKernel } = await import(${JSON.stringify(join(directory, 'ipvs/dist/memory/index.js'))});
    const kernel = new MemoryKernel();
    const ipvs = await library.Ipvs.open({ kernel });
    const service = await ipvs.addService({ protocol: 'tcp', address: '192.0.2.1', port: 80 });
    await service.addServer({ address: '10.1.0.1' });
    console.log(kernel.namespace().connect({ address: '192.0.2.1', port: 80 }).server.address);`);
  expect(output).toBe('10.1.0.1\n');
});

test('every entry of the package has its types and its code', () => {
  const { exports } = JSON.parse(readFileSync(join(directory, 'ipvs/package.json'), 'utf8'));
  for (const entry of ['.', './kernel', './testing']) {
    expect(Object.keys(exports[entry])).toEqual(['types', 'default']);
    for (const path of Object.values(exports[entry]))
      expect(existsSync(join(directory, 'ipvs', String(path))), String(path)).toBe(true);
  }
});
