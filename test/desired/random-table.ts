// Random tables as texts for `ipvsadm -R`: all that it accepts, also settings without effect.
import fc from 'fast-check';

const schedulers = ['rr', 'wrr', 'lc', 'wlc', 'fo', 'ovf', 'lblc', 'lblcr', 'dh', 'sh', 'mh', 'sed', 'nq'];
const bits = fc.subarray(['flag-1', 'flag-2', 'flag-3']);
const weight = fc.oneof(fc.constantFrom(0, 1, 65535), fc.integer({ min: 0, max: 65535 }));
const port = fc.oneof(fc.constantFrom(80, 1, 65535), fc.integer({ min: 1, max: 65535 }));
const mark = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 0xffffffff }));
const netmask4 = fc.oneof(
  fc.constantFrom('0.0.0.0', '255.255.255.0', '255.0.255.0'),
  fc
    .integer({ min: 0, max: 0xffffffff })
    .map((mask) => [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.')),
);

interface Server {
  readonly family: 4 | 6;
  readonly host: number;
  readonly port: number;
  readonly words: string;
}

const tunnel = fc.oneof(
  fc.constantFrom('', ' --tun-type ipip', ' --tun-type gre --tun-nocsum', ' --tun-type gre --tun-csum'),
  fc
    .record({ port, checksum: fc.constantFrom('nocsum', 'csum', 'remcsum') })
    .map(({ port: at, checksum }) => ` --tun-type gue --tun-port ${at} --tun-${checksum}`),
);
const thresholds = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc
    .tuple(fc.integer({ min: 1, max: 0x7fffffff }), fc.integer({ min: 0, max: 100 }))
    .map(([upper, lower]) => ` -x ${upper} -y ${Math.min(upper, lower)}`),
);

/** `family`: of the service; only a tunnel leads to the other one. */
function servers(family: 4 | 6): fc.Arbitrary<Server[]> {
  const common = {
    host: fc.integer({ min: 1, max: 9 }),
    port: fc.oneof(fc.constantFrom(0, 80), port),
    weight,
    thresholds,
  };
  const words = (way: string, { weight: share, thresholds: limits }: { weight: number; thresholds: string }): string =>
    `${way} -w ${share}${limits}`;
  const plain = fc
    .record({ ...common, way: fc.constantFrom('-m', '-g', '') })
    .map(({ host, port: at, way, ...more }) => ({ family, host, port: at, words: words(way, more) }));
  const tunnelled = fc
    .record({ ...common, other: fc.constantFrom<4 | 6>(4, 6), tunnel })
    .map(({ host, port: at, other, tunnel: how, ...more }) => ({
      family: other,
      host,
      port: at,
      words: `${words('-i', more)}${how}`,
    }));
  // ipvsadm gives servers with direct routing and tunnels the port of a service by address.
  return fc.uniqueArray(fc.oneof(plain, tunnelled), {
    maxLength: 5,
    selector: ({ family: f, host }) => `${f} ${host}`,
  });
}

/** `tool`: also what ipvsadm accepts and does not write again, for it has no effect. */
function service(tool: boolean): fc.Arbitrary<{ readonly name: string; readonly lines: string[] }> {
  const kinds = fc.constantFrom('-t', '-u', '--sctp-service', '-f', '-f');
  return fc.tuple(kinds, fc.constantFrom<4 | 6>(4, 6)).chain(([kind, family]) =>
    fc
      .record({
        host: fc.integer({ min: 1, max: 3 }),
        port: fc.oneof(fc.constant(0), port),
        mark,
        scheduler: fc.constantFrom(...schedulers),
        flags: fc.oneof(fc.constant<string[]>([]), bits),
        persistent: fc.option(fc.integer({ min: 1, max: 2_678_400 })),
        netmask: fc.option<string | number>(family === 4 ? netmask4 : fc.integer({ min: 1, max: 128 })),
        engine: fc.boolean(),
        onePacket: fc.boolean(),
        servers: servers(family),
      })
      .map((made) => {
        const { persistent, netmask } = made;
        const byMark = kind === '-f';
        const at = made.port === 0 && persistent === null ? 80 : made.port;
        const address = family === 4 ? `10.9.0.${made.host}` : `[fd00::9:${made.host}]`;
        const name = byMark ? `-f ${made.mark}${family === 6 ? ' -6' : ''}` : `${kind} ${address}:${at}`;
        let text = `-A ${name} -s ${made.scheduler}`;
        if (persistent !== null) text += ` -p ${persistent}`;
        if (netmask !== null && (persistent !== null || tool)) text += ` -M ${netmask}`;
        if (kind === '-u' && made.engine && (persistent !== null || tool)) text += ' --pe sip';
        if ((kind === '-u' || byMark) && made.onePacket) text += ' -o';
        const { scheduler } = made;
        const isHash = scheduler === 'sh' || scheduler === 'mh';
        const flagNames: Readonly<Record<string, string>> = isHash
          ? { 'flag-1': `${scheduler}-fallback`, 'flag-2': `${scheduler}-port` }
          : {};
        // ipvsadm does not write flag-3 of these, and -b without a value if that is the only one.
        const flags = made.flags.filter((flag) => !isHash || flag !== 'flag-3');
        if (flags.length > 0) text += ` -b ${flags.map((flag) => flagNames[flag] ?? flag).join(',')}`;
        const lines = made.servers.map(({ family: of, host, port: serverPort, words }) => {
          const endpoint = of === 4 ? `10.8.0.${host}` : `[fd00::8:${host}]`;
          const own = byMark || words.startsWith('-m') ? serverPort : at;
          return `-a ${name} -r ${endpoint}:${own} ${words}`;
        });
        return { name, lines: [text, ...lines] };
      }),
  );
}

/** Texts of up to `most` services for `ipvsadm -R`. */
export function tables(most: number, tool: boolean): fc.Arbitrary<string> {
  return fc
    .uniqueArray(service(tool), { minLength: 1, maxLength: most, selector: ({ name }) => name })
    .map((services) =>
      services.flatMap(({ lines }) => lines.map((line) => `${line.replace(/ {2,}/g, ' ')}\n`)).join(''),
    );
}
