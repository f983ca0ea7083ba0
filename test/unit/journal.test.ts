// The journal on the disk: who has it has it alone, and it is whole whenever a program ends.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { DesiredState } from '../../src/desired/desired-state.js';
import { Journal } from '../../src/desired/record/journal.js';
import { encodeServer } from '../../src/kernel/ipvs/ids.js';
import { openNativeJournal } from '../../src/linux/journal.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';

const directory = mkdtempSync(join(tmpdir(), 'journal-'));
afterAll(() => rmSync(directory, { recursive: true }));
let count = 0;
const newPath = (): string => join(directory, `below-${++count}`, 'owner.json');

describe.skipIf(process.platform !== 'linux')('a journal', () => {
  test('is read, added to, replaced, removed', async () => {
    const path = newPath();
    const journal = await openNativeJournal(path);
    expect(await journal.read()).toBeUndefined();
    await expect(journal.append('a')).rejects.toMatchObject({ errno: 2 });
    await journal.replace('one\n');
    await journal.append('two\n');
    expect(await journal.read()).toBe('one\ntwo\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    await journal.close();
    await journal.close();
    await expect(journal.read()).rejects.toMatchObject({ errno: 9 });
    expect(readdirSync(join(path, '..'))).toEqual(['owner.json']);
    const again = await openNativeJournal(path);
    await again.replace('');
    await again.close();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  test('has one path, however it is spelt', async () => {
    const path = newPath();
    const above = join(path, '..');
    mkdirSync(join(above, 'real'), { recursive: true });
    symlinkSync(join(above, 'real'), join(above, 'link'));
    const real = join(realpathSync(above), 'real', 'owner.json');
    for (const spelling of [
      join(above, 'link', 'owner.json'),
      `${above}/link/../real//owner.json`,
      relative(process.cwd(), join(above, 'link', 'owner.json')),
    ])
      expect(await nativeKernel.journalPath(spelling)).toBe(real);
    const missing = join(above, 'link', 'not', 'there', 'owner.json');
    expect(await nativeKernel.journalPath(missing)).toBe(join(realpathSync(above), 'real/not/there/owner.json'));
    for (const name of ['real', 'link']) rmSync(join(above, name), { recursive: true });
  });

  test('is not written through what stands where it is written anew', async () => {
    const path = newPath();
    const journal = await openNativeJournal(path);
    const victim = join(path, '..', 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, `${path}.new`);
    await journal.replace('one\n');
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(await journal.read()).toBe('one\n');
    await journal.close();
    expect(readdirSync(join(path, '..'))).toEqual(['owner.json', 'victim']);
  });

  test('is had by one at a time, each in turn', async () => {
    const path = newPath();
    let inside = 0;
    const added = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const journal = await openNativeJournal(path);
        expect(++inside).toBe(1);
        const before = (await journal.read()) ?? '';
        await new Promise((resolve) => setTimeout(resolve, 1));
        await journal.replace(`${before}${index}\n`);
        inside--;
        await journal.close();
        return index;
      }),
    );
    expect(
      readFileSync(path, 'utf8')
        .trim()
        .split('\n')
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(added);
  });

  test('who waits gives up after a time, or when asked to', async () => {
    const path = newPath();
    const journal = await openNativeJournal(path);
    await expect(openNativeJournal(path, { timeout: 50 })).rejects.toMatchObject({ errno: 110 });
    const stop = new AbortController();
    const waiting = openNativeJournal(path, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow(/enough|abort/i);
    await expect(Journal.open(nativeKernel, path, { timeout: 50 })).rejects.toMatchObject({
      code: 'ERR_IPVS_RECORD',
      message: expect.stringContaining('another program of the same owner is changing something'),
    });
    await journal.close();
    await (await openNativeJournal(path, { timeout: 50 })).close();
  });

  test('the lock goes with the program that is killed', async () => {
    const path = newPath();
    const module = fileURLToPath(new URL('../../out/modules/linux/journal.js', import.meta.url));
    const program = `const { openNativeJournal } = await import(${JSON.stringify(module)});
      const journal = await openNativeJournal(${JSON.stringify(path)});
      await journal.replace('mine\\n'); console.log('has it'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await expect(openNativeJournal(path, { timeout: 100 })).rejects.toMatchObject({ errno: 110 });
    child.kill('SIGKILL');
    const journal = await openNativeJournal(path, { timeout: 10_000 });
    expect(await journal.read()).toBe('mine\n');
    await journal.close();
  });

  test('a line that was being written when the program died does not count', async () => {
    const path = newPath();
    const journal = await Journal.open(nativeKernel, path);
    await journal.write({ own: { 'fwmark/ipv4/1': ['', encodeServer({ address: '10.0.0.1', port: 0 })] } });
    await journal.close();
    writeFileSync(path, '{"own":{"fwmark/ipv4/2"', { flag: 'a' });
    const again = await Journal.open(nativeKernel, path);
    expect([...again.ledger.owned.keys()]).toEqual(['fwmark/ipv4/1']);
    await again.write({ disown: { 'fwmark/ipv4/1': [encodeServer({ address: '10.0.0.1', port: 0 })] } });
    await again.close();
    const text = readFileSync(path, 'utf8');
    expect(
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    ).toEqual([{ version: 2 }, { own: { 'fwmark/ipv4/1': [''] } }]);
  });

  test('what is no journal is refused, and not overwritten', async () => {
    const path = newPath();
    await (await openNativeJournal(path)).close();
    writeFileSync(path, 'something else\n');
    await expect(Journal.open(nativeKernel, path)).rejects.toMatchObject({ code: 'ERR_IPVS_RECORD' });
    await expect(Journal.open(nativeKernel, join(path, 'below'))).rejects.toMatchObject({ code: 'ERR_IPVS_RECORD' });
    expect(readFileSync(path, 'utf8')).toBe('something else\n');
    expect(readdirSync(join(path, '..'))).toEqual(['owner.json']);
  });

  test('what cannot be a journal is told, and nothing waits for it', async () => {
    const path = newPath();
    mkdirSync(join(path, '..'));
    execFileSync('mkfifo', [`${path}.lock`]);
    for (const record of [path, '/proc/below/owner.json'])
      await expect(DesiredState.open({ owner: 'test' }, { record })).rejects.toMatchObject({ code: 'ERR_IPVS_RECORD' });
    await expect(DesiredState.open({ owner: 'test' }, { record: 'a\0b' })).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
    });
  });

  test('it does not grow with every change', async () => {
    const path = newPath();
    const journal = await Journal.open(nativeKernel, path);
    await journal.write({ own: { 'fwmark/ipv4/1': [''] } });
    for (let i = 0; i < 500; i++) {
      await journal.write({ own: { 'fwmark/ipv4/1': [encodeServer({ address: `10.0.0.${i % 10}`, port: 0 })] } });
      await journal.write({ disown: { 'fwmark/ipv4/1': [encodeServer({ address: `10.0.0.${i % 10}`, port: 0 })] } });
    }
    await journal.close();
    expect(statSync(path).size).toBeLessThan(20_000);
  });
});

describe.skipIf(process.platform !== 'linux')('a journal that others can write', () => {
  const HEAD = '{"version":1}\n';
  const place = (): string => {
    const path = newPath();
    mkdirSync(join(path, '..'), { mode: 0o700 });
    writeFileSync(path, HEAD, { mode: 0o600 });
    return path;
  };
  const opened = async (record: string): Promise<unknown> => {
    try {
      const journal = await Journal.open(nativeKernel, record, { timeout: 1000 });
      await journal.close();
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const refused = {
    code: 'ERR_IPVS_RECORD',
    message: expect.stringMatching(/other users may write .*chown.*`record`/),
  };

  test.each([0o622, 0o602, 0o620, 0o666])('is refused if its mode is %o', async (mode) => {
    const path = place();
    chmodSync(path, mode);
    expect(await opened(path)).toMatchObject(refused);
    expect(readFileSync(path, 'utf8')).toBe(HEAD);
  });

  test.each([0o777, 0o770, 0o702])('is refused if the mode of its directory is %o', async (mode) => {
    const path = place();
    chmodSync(join(path, '..'), mode);
    expect(await opened(path)).toMatchObject(refused);
  });

  test('is used in a directory that is sticky, as /tmp is', async () => {
    const path = place();
    chmodSync(join(path, '..'), 0o1777);
    expect(await opened(path)).toBeUndefined();
  });

  test('is used if others may read it', async () => {
    const path = place();
    chmodSync(path, 0o644);
    chmodSync(join(path, '..'), 0o755);
    expect(await opened(path)).toBeUndefined();
  });

  test.skipIf(process.getuid?.() !== 0)('is refused if another user owns it, its directory or its lock', async () => {
    for (const whose of ['owner.json', '.', 'owner.json.lock']) {
      const path = place();
      if (whose.endsWith('.lock')) writeFileSync(`${path}.lock`, '');
      chownSync(join(path, '..', whose), 12345, 12345);
      expect(await opened(path), whose).toMatchObject(refused);
    }
  });

  test('is refused as a symbolic link, a pipe and a directory', async () => {
    const link = place();
    rmSync(link);
    symlinkSync('/etc/hostname', link);
    expect(await opened(link)).toMatchObject({ code: 'ERR_IPVS_RECORD' });
    const pipe = place();
    rmSync(pipe);
    execFileSync('mkfifo', [pipe]);
    expect(await opened(pipe)).toMatchObject({
      code: 'ERR_IPVS_RECORD',
      message: expect.stringContaining('is not a regular file'),
    });
    expect(await opened(join(pipe, '..'))).toMatchObject({ code: 'ERR_IPVS_RECORD' });
  });
});

describe.skipIf(process.platform !== 'linux')('a journal that is too large', () => {
  test.skipIf(process.getuid?.() !== 0)('is refused as a device that never ends', async () => {
    for (const record of ['/dev/full', '/dev/zero'])
      await expect(DesiredState.open({ owner: 'test' }, { record })).rejects.toMatchObject({
        code: 'ERR_IPVS_RECORD',
        message: expect.stringContaining('is not a regular file'),
      });
  });

  test('is neither read nor written', async () => {
    const path = newPath();
    const journal = await openNativeJournal(path);
    await journal.replace('one\n');
    truncateSync(path, 64 * 1024 * 1024);
    await expect(journal.append('x')).rejects.toMatchObject({ errno: 27 });
    truncateSync(path, 600 * 1024 * 1024);
    await expect(journal.read()).rejects.toMatchObject({ errno: 27 });
    await expect(journal.replace('x'.repeat(64 * 1024 * 1024 + 1))).rejects.toMatchObject({ errno: 27 });
    await journal.close();
    await expect(Journal.open(nativeKernel, path)).rejects.toMatchObject({
      code: 'ERR_IPVS_RECORD',
      message: expect.stringContaining('of at most 67108864'),
    });
    rmSync(path);
  });
});

describe.skipIf(process.platform !== 'linux')('a program that was killed', () => {
  test('leaves no file that the next one does not delete', async () => {
    const path = newPath();
    mkdirSync(join(path, '..'), { mode: 0o700 });
    writeFileSync(`${path}.new`, '{"vers', { mode: 0o600 });
    writeFileSync(`${path}.lock`, '', { mode: 0o600 });
    writeFileSync(path, '{"version":2}\n{"own":{"fwmark/ipv4/1":[""]}}\n{"disown":{"fwmark/ipv4/1":[""]}}\n', {
      mode: 0o600,
    });
    await (await Journal.open(nativeKernel, path)).close();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });
});
