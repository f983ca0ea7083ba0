// Values that no argument should be, each made anew: some remember that they were touched.

/** The error that hostile objects throw by themselves; it may pass through. */
export class OwnError extends Error {}

function fail(): never {
  throw new OwnError('the value throws by itself');
}

const throwing = new Proxy(
  {},
  Object.fromEntries(
    [
      'get',
      'has',
      'ownKeys',
      'getOwnPropertyDescriptor',
      'getPrototypeOf',
      'set',
      'deleteProperty',
      'defineProperty',
    ].map((trap) => [trap, fail]),
  ),
);

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function endless(): Iterable<number> {
  return {
    *[Symbol.iterator]() {
      for (let i = 1; ; i++) yield i;
    },
  };
}

function cycle(): object {
  const self: Record<string, unknown> = {};
  self.self = self;
  return self;
}

const hole: readonly unknown[] = Object.assign(new Array(3), { 0: 1, 2: 3 });

export const hostileValues: readonly (readonly [name: string, make: () => unknown])[] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['true', () => true],
  ['false', () => false],
  ['0', () => 0],
  ['-0', () => -0],
  ['NaN', () => Number.NaN],
  ['Infinity', () => Number.POSITIVE_INFINITY],
  ['-Infinity', () => Number.NEGATIVE_INFINITY],
  ['-1', () => -1],
  ['0.5', () => 0.5],
  ['2**53', () => 2 ** 53],
  ['1n', () => 1n],
  ['a huge bigint', () => 1n << 100_000n],
  ['an empty text', () => ''],
  ['a space', () => ' '],
  ['a text of 100 000 characters', () => 'x'.repeat(100_000)],
  ['100 000 slashes', () => '/'.repeat(100_000)],
  ['a text with NUL', () => 'a\0b'],
  ['a text with a newline', () => 'a\nb'],
  ['half a surrogate pair', () => 'a\ud800'],
  ['"__proto__"', () => '__proto__'],
  ['"constructor"', () => 'constructor'],
  ['a symbol', () => Symbol('hostile')],
  ['a function', () => () => 1],
  ['a class', () => class Hostile {}],
  ['{}', () => ({})],
  ['[]', () => []],
  ['[[]]', () => [[]]],
  ['[undefined]', () => [undefined]],
  ['[null]', () => [null]],
  ['a list with a hole', () => hole],
  ['a list of 2**32-1 holes', () => new Array(2 ** 32 - 1)],
  ['an endless iterable', endless],
  ['an object without prototype', () => Object.create(null)],
  ['an object that holds itself', cycle],
  ['a Proxy that throws', () => throwing],
  ['a revoked Proxy', revoked],
  [
    'an object whose toString throws',
    () => ({ toString: fail, valueOf: fail, [Symbol.toPrimitive]: fail, toJSON: fail }),
  ],
  [
    'an object with a Symbol.toStringTag that throws',
    () => ({
      get [Symbol.toStringTag]() {
        return fail();
      },
    }),
  ],
  ['a Date', () => new Date(0)],
  ['a Map', () => new Map([['a', 1]])],
  ['a Set', () => new Set([1])],
  ['a regular expression', () => /x/],
  ['a promise', () => Promise.resolve(1)],
  ['a Uint8Array', () => new Uint8Array(4)],
  ['a Float64Array', () => new Float64Array(2)],
  ['an ArrayBuffer', () => new ArrayBuffer(4)],
  ['an error', () => new Error('hostile')],
  ['a number object', () => Object(80)],
  ['a string object', () => Object('rr')],
  ['an object made of AbortSignal.prototype', () => Object.create(AbortSignal.prototype)],
];
