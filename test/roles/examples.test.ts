// The programs that a reader tries first: each runs, shows what it promises, and is short.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';

const directory = fileURLToPath(new URL('../../examples/', import.meta.url));
const files = readdirSync(directory).filter((name) => name.endsWith('.mjs'));

/** What each prints, in this order. */
const lines: Readonly<Record<string, readonly RegExp[]>> = {
  'arp.mjs': [
    /^without the settings: director, server101, server102, server103$/m,
    /^server101: change sysctl net\/ipv4\/conf\/lan\/arp_ignore: 1$/m,
    /^server101: keep address 192\.168\.1\.100\/32 on lo$/m,
    /^with them: director$/m,
  ],
  'cluster-node.mjs': [
    /^node: make service TCP 10\.96\.0\.10:80: rr$/m,
    /^outside asks 192\.168\.5\.1:30080: pod[12] sees 10\.2\.0\.1$/m,
    /^pod1 asks 10\.96\.0\.10:80: pod[12] sees 10\.2\.0\.1/m,
    /^pod1, of itself, asks 10\.96\.0\.11:80: pod1 sees 10\.2\.0\.1$/m,
    /^TCP +10\.96\.0\.10:80 rr/m,
    /^problems: \[\]$/m,
  ],
  'direct-routing.mjs': [
    /^server101: make address 192\.168\.1\.100\/32 on lo$/m,
    /^director: make service FWM 80: lc$/m,
    /^director: make address 192\.168\.1\.100\/32 on lan$/m,
    /^problems: \[\]$/m,
    ...['101', '102', '103'].map(() => /^server10[123] (::ffff:)?192\.168\.1\.10$/m),
    /^FWM +80 lc$/m,
    ...['101', '102', '103'].map(() => /-> 192\.168\.1\.10[123]:0 +Route +1 /),
    /^packets through the director: [1-9]\d* of requests, 0 of answers$/m,
    /^director: take-back service FWM 80: lc$/m,
  ],
  'overlay-hosts.mjs': [
    /^host10: 02:42:0a:00:00:1[45] is behind 10\.211\.55\.(18|22)$/m,
    /^host22: 02:42:0a:00:00:[01][24] is behind 10\.211\.55\.1[08]$/m,
    ...['17', '20', '21'].map(() => /^task(17|20|21) (::ffff:)?10\.0\.0\.2$/m),
    / mtu 1450 [\s\S]* vxlan id 4096 local 10\.211\.55\.18 [\s\S]* dstport 4789 /,
    /^ +RX: [\s\S]*^ +\d+ +[1-9]\d* /m,
  ],
  'overlay-vip.mjs': [
    /^tasks: 10\.0\.0\.17$/m,
    /^make service FWM 258: rr$/m,
    ...Array.from({ length: 4 }, () => /^ +task17 (::ffff:)?10\.0\.0\.2$/m),
    /^tasks: 10\.0\.0\.17, 10\.0\.0\.20\nmake server 10\.0\.0\.20:0 of FWM 258: nat, weight 1\n +task/m,
    /^tasks: 10\.0\.0\.17, 10\.0\.0\.20\nchange server 10\.0\.0\.17:0 of FWM 258: nat, weight 0\n +task20 /m,
    /^tasks: 10\.0\.0\.20\ntake-back server 10\.0\.0\.17:0 of FWM 258: nat, weight 0\n +task20 /m,
    /^input: 10\.0\.0\.15 has the mark 0x102: [1-9]\d* packets$/m,
    /^ +is: 'missing: input ip daddr 10\.0\.0\.15 mark set 0x102/m,
  ],
  'swarm-ingress.mjs': [
    /^make service FWM 258: rr$/m,
    /^make nf_tables table inet ipvs-ingress: 2 marks, 1 rules$/m,
    /^make address 10\.0\.0\.15\/32 on overlay$/m,
    ...['17', '20', '21'].map(() => /^task(17|20|21) (::ffff:)?10\.0\.0\.2$/m),
    /^FWM +258 rr$/m,
    ...['17', '20', '21'].map(() => /-> 10\.0\.0\.(17|20|21):0 +Masq +1 /),
    /^10\.211\.55\.2 asked 172\.18\.0\.2, and was sent to 10\.0\.0\.(17|20|21)$/m,
    /^take-back service FWM 258: rr$/m,
  ],
  'tunnel.mjs': [
    /^real-server: ipip link ipvs-tunnel$/m,
    /^ +-> 192\.168\.1\.101:0 +Tunnel +1 /m,
    /^server10[12] (::ffff:)?192\.168\.1\.10$/m,
    /^the client's segments: mss:1428, of 1440 /m,
    /^real-server: GUE on UDP port 6080$/m,
    /^server10[12] (::ffff:)?192\.168\.1\.10$/m,
    /^the client's segments: mss:1416, of 1428 /m,
  ],
};

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

const ended = new Map<string, Promise<Ended>>();

/** Two at a time: where the machine is emulated a program takes many seconds, most of them of one processor. */
beforeAll(() => {
  const next = [Promise.resolve({} as Ended), Promise.resolve({} as Ended)];
  for (const [index, file] of files.entries()) {
    const run = (next[index % 2] as Promise<Ended>).then(() => runExample(file));
    ended.set(file, run);
    next[index % 2] = run;
  }
});

function runExample(file: string): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [directory + file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    child.on('close', (status) => resolve({ status, output }));
  });
}

test.each(files)(
  '%s',
  async (file) => {
    const { status, output } = (await ended.get(file)) ?? {};
    expect({ status, output }).toEqual({ status: 0, output: expect.anything() });
    const expected = lines[file];
    if (!expected) throw new Error(`what does ${file} print? Add it here:\n${output}`);
    let rest = output ?? '';
    for (const line of expected) {
      const found = line.exec(rest);
      expect(found && line, `${line} in\n${output}`).toBe(line);
      rest = rest.slice((found?.index ?? 0) + (found?.[0].length ?? 0));
    }
  },
  240_000,
);

test.each(files)('%s has at most 60 lines', (file) => {
  expect(
    readFileSync(directory + file, 'utf8')
      .trimEnd()
      .split('\n').length,
  ).toBeLessThanOrEqual(60);
});

test('nothing is expected of what is not there', () => {
  expect(Object.keys(lines).filter((name) => !files.includes(name))).toEqual([]);
});
