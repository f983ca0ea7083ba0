// Marks and rules of any kind, for property tests.
import fc from 'fast-check';
import { cutPrefix } from '../../src/common/prefix.js';
import type { FwmarkOptions, NetfilterRuleOptions, PacketMatchOptions } from '../../src/index.js';

type Family = 'ipv4' | 'ipv6';

/** Few: `small` makes them meet each other. */
function address(family: Family, small: boolean): fc.Arbitrary<string> {
  if (small) return fc.constantFrom(...(family === 'ipv4' ? ['10.0.0.1', '10.0.0.2'] : ['fd00::1', 'fd00::2']));
  return family === 'ipv4' ? fc.ipV4() : fc.ipV6();
}

function prefix(family: Family, small: boolean): fc.Arbitrary<string> {
  const lengths = small ? fc.constantFrom(8, 24, 32) : fc.integer({ min: 1, max: family === 'ipv4' ? 32 : 128 });
  return fc
    .tuple(address(family, small), lengths, fc.boolean())
    .map(([text, length, plain]) => (plain ? text : `${cutPrefix(text, length, family)}/${length}`));
}

/** What is there, sometimes. */
function some<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

const number32 = fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, 1, 0xffffffff, 0x80000000));
const bits = fc
  .tuple(number32, number32)
  .map(([mark, mask]) => ({ mark: (mark & mask) >>> 0, mask }))
  .filter(({ mask }) => mask !== 0);
const interfaceName = fc.oneof(
  fc.constantFrom(
    'eth0',
    'br-1.100',
    'a',
    'fifteen-letters',
    'v*',
    'fourteen-chars*',
    'a*b',
    '*a',
    '\\*',
    'e\\*',
    'e\\',
  ),
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,15}$/).filter((name) => name !== '.' && name !== '..'),
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,13}\\?\*$/),
);

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
}

/** At a hook that knows both interfaces or one. */
function match(hook: string, small: boolean): fc.Arbitrary<PacketMatchOptions> {
  const port = small ? fc.constantFrom(80, 81) : fc.integer({ min: 1, max: 65535 });
  const range = fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
  const named = small ? fc.constantFrom('eth0', 'eth1', 'eth*') : interfaceName;
  const has = (hooks: readonly string[]) => (hooks.includes(hook) ? some(named) : fc.constant(undefined));
  return fc.constantFrom<Family>('ipv4', 'ipv6').chain((family) =>
    fc
      .record({
        family: some(fc.constant(family)),
        source: some(prefix(family, small)),
        destination: some(prefix(family, small)),
        protocol: some(fc.constantFrom('tcp', 'udp', 'sctp', 'dccp', 'udplite')),
        port: some(fc.oneof(port, range)),
        inputInterface: has(['prerouting', 'input', 'forward', 'postrouting']),
        outputInterface: has(['forward', 'output', 'postrouting']),
      })
      .map(({ port, ...rest }) => defined({ ...rest, port: rest.protocol ? port : undefined }) as PacketMatchOptions),
  );
}

export function markOptions(small = false): fc.Arbitrary<FwmarkOptions> {
  return fc
    .constantFrom('prerouting' as const, 'input' as const, 'output' as const)
    .chain((hook) => fc.tuple(fc.constant(hook), match(hook, small), bits, fc.boolean()))
    .filter(([, match]) => Object.keys(match).length > 0)
    .map(([hook, match, { mark, mask }, whole]) => ({ hook, ...match, mark, ...(!whole && { mask }) }));
}

export function ruleOptions(small = false): fc.Arbitrary<NetfilterRuleOptions> {
  const hooks = {
    masquerade: ['postrouting'],
    snat: ['postrouting', 'input'],
    dnat: ['prerouting', 'output'],
    redirect: ['prerouting', 'output'],
    'clamp-mss': ['forward', 'output', 'postrouting'],
  } as const;
  type Type = keyof typeof hooks;
  return fc.constantFrom(...(Object.keys(hooks) as Type[])).chain((type) =>
    fc.constantFrom<string>(...hooks[type]).chain((hook) =>
      fc
        .record({
          match: match(hook, small),
          mark: some(fc.oneof(number32, bits)),
          local: some(fc.boolean()),
          ipv4: address('ipv4', small),
          ipv6: address('ipv6', small),
          six: fc.boolean(),
          port: some(fc.integer({ min: 1, max: 65535 })),
          size: fc.oneof(fc.constant('path' as const), fc.integer({ min: 88, max: 65535 })),
        })
        .map(({ match, mark, local, ipv4, ipv6, six, port, size }) => {
          const text = `${match.source ?? ''}${match.destination ?? ''}`;
          const family = text === '' ? match.family : text.includes(':') ? 'ipv6' : 'ipv4';
          const to = (family ?? (six ? 'ipv6' : 'ipv4')) === 'ipv6' ? ipv6 : ipv4;
          const protocol = type === 'clamp-mss' ? 'tcp' : (match.protocol ?? 'udp');
          const of = {
            masquerade: {},
            snat: { to },
            dnat: { to, protocol, toPort: port },
            redirect: { protocol, toPort: port ?? 1 },
            'clamp-mss': { size, protocol },
          };
          const general = Object.keys(match).length === 0 && mark === undefined && local === undefined;
          const rest = general ? { mark: 1 } : { mark, local };
          return defined({ type, hook, ...match, ...rest, ...of[type] }) as NetfilterRuleOptions;
        }),
    ),
  );
}
