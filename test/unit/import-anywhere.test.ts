import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

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
  expect(output).toContain(`${directory}/ipvs/ (prebuilds/, build/Release/)`);
  expect(rest.join('\n')).toContain('npm rebuild ipvs');
});

test('on another system: the same, with other advice', () => {
  const output = run(`
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    await library.Ipvs.open().catch((error) => console.log(error.code, error.message));`);
  expect(output).toMatch(/^ERR_IPVS_ADDON_NOT_LOADED/);
  expect(output).toContain('opening a kernel takes Linux');
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
