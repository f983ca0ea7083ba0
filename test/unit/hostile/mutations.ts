// Every way to spoil a list of arguments: at each position, and at each property below it.
import { hostileValues, OwnError } from './values.js';

export interface Mutation {
  /** Where and what: `[0].servers[1].weight = NaN`. */
  readonly name: string;
  readonly args: readonly unknown[];
  /** Whether such a value may be right at this place. */
  readonly mayBeValid: boolean;
}

type Step = string | number;

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** The places within a value, to a depth, the value itself first. */
function places(value: unknown, depth: number): Step[][] {
  const below = (key: Step, inner: unknown): Step[][] => places(inner, depth - 1).map((path) => [key, ...path]);
  if (depth <= 0) return [[]];
  if (Array.isArray(value)) return [[], ...value.slice(0, 2).flatMap((inner, index) => below(index, inner))];
  if (isPlain(value)) return [[], ...Object.entries(value).flatMap(([key, inner]) => below(key, inner))];
  return [[]];
}

function at(value: unknown, path: readonly Step[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<Step, unknown>)[key], value);
}

function put(value: unknown, [key, ...path]: readonly Step[], change: (value: unknown) => unknown): unknown {
  if (key === undefined) return change(value);
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  (copy as Record<Step, unknown>)[key] = put((value as Record<Step, unknown>)[key], path, change);
  return copy;
}

/** Hostile values that are right where one of their kind is: all others are wrong everywhere. */
const ofKind: Readonly<Record<string, readonly string[]>> = {
  number: ['0', '-0'],
  boolean: ['true', 'false'],
  string: ['"__proto__"', '"constructor"'],
  list: ['[]'],
  // All of these are objects without options.
  object: [
    '{}',
    'an object without prototype',
    'an endless iterable',
    'an object with a Symbol.toStringTag that throws',
    'an object made of AbortSignal.prototype',
  ],
};

function mayBeValid(original: unknown, name: string): boolean {
  const kind = Array.isArray(original) ? 'list' : typeof original;
  return name === 'undefined' || (ofKind[kind]?.includes(name) ?? false);
}

function pathText(path: readonly Step[]): string {
  return path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
}

/** The same object with a property of another name. */
function renamed(value: Record<string, unknown>, from: string, to: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key === from ? to : key, inner]));
}

/** Of each kind some: the checks of a place within an object are the same as at the top. */
const innerNames = new Set([
  'undefined',
  'null',
  'NaN',
  '-1',
  '1n',
  'an empty text',
  'a text with NUL',
  'a symbol',
  '{}',
  '[null]',
  'a list of 2**32-1 holes',
  'a Proxy that throws',
  'a Date',
]);
const innerValues = hostileValues.filter(([name]) => innerNames.has(name));

/** Every method takes these, and most check them in one place. */
function isCall(value: unknown): boolean {
  return isPlain(value) && 'signal' in value && 'timeout' in value && Object.keys(value).length === 2;
}

export function* mutations(args: readonly unknown[], depth: number): Generator<Mutation, void, void> {
  for (const path of places(args, depth + 1)) {
    if (path.length === 0) continue;
    const of = (change: (value: unknown) => unknown): readonly unknown[] => put(args, path, change) as unknown[];
    const value = at(args, path);
    for (const [name, make] of path.length === 1 && !isCall(value) ? hostileValues : innerValues)
      yield { name: `${pathText(path)} = ${name}`, args: of(make), mayBeValid: mayBeValid(value, name) };
    if (Array.isArray(value) && value.length > 0) {
      const withHole = (list: unknown): unknown => Object.assign(new Array(value.length + 1), list);
      yield { name: `${pathText(path)} with a hole`, args: of(withHole), mayBeValid: false };
    }
    if (!isPlain(value)) continue;
    yield {
      name: `${pathText(path)} with an unknown option`,
      args: of((inner) => ({ ...(inner as object), zzz: 1 })),
      mayBeValid: false,
    };
    yield {
      name: `${pathText(path)} with a getter that throws`,
      args: of((inner) =>
        Object.defineProperty({ ...(inner as object) }, Object.keys(value)[0] ?? 'signal', {
          enumerable: true,
          get: hostileGetter,
        }),
      ),
      mayBeValid: false,
    };
    for (const key of Object.keys(value)) {
      if (key.length < 2) continue;
      const misspelt = `${key.slice(0, -2)}${key.at(-1)}${key.at(-2)}`;
      const other = misspelt === key ? `${key}x` : misspelt;
      yield {
        name: `${pathText(path)} with ${other} for ${key}`,
        args: of((inner) => renamed(inner as Record<string, unknown>, key, other)),
        mayBeValid: false,
      };
    }
  }
}

function hostileGetter(): never {
  throw new OwnError('the getter throws by itself');
}
