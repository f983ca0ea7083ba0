import { inspect, types } from 'node:util';
import { limits } from './limits.js';

/** Maximum number of entries of a list or an object to show. */
const SHOWN_ENTRIES = 10;

/**
 * Formats any value for an error message, in at most about {@link limits.shown} characters. Calls no code of the
 * value: no getter, no trap of a proxy, no `toString`.
 */
export function show(value: unknown): string {
  if (typeof value === 'string') return cut(value, limits.shown, JSON.stringify);
  try {
    return shorten(plain(value, 1), limits.shown);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** Shortens a text that is too long to its beginning, followed by its length. */
export function shorten(text: string, most: number): string {
  return cut(text, most, (piece) => piece);
}

function cut(text: string, most: number, quote: (piece: string) => string): string {
  if (text.length <= most) return quote(text);
  return `${quote(text.slice(0, most))}... (${text.length} characters)`;
}

function plain(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return cut(value, limits.shown, (piece) => inspect(piece));
    case 'bigint':
      return value > 2n ** 256n || value < -(2n ** 256n) ? 'a bigint of more than 256 bits' : `${value}n`;
    case 'function':
      return 'a function';
    case 'object':
      if (value === null) return 'null';
      return types.isProxy(value) ? 'a proxy' : Array.isArray(value) ? list(value, depth) : object(value, depth);
    default:
      return String(value);
  }
}

function list(value: readonly unknown[], depth: number): string {
  if (value.length === 0) return '[]';
  if (depth < 0) return '[Array]';
  const parts: string[] = [];
  for (let i = 0; i < value.length && i < SHOWN_ENTRIES; i++) parts.push(property(value, String(i), depth));
  const more = value.length - parts.length;
  if (more > 0) parts.push(`... ${more} more`);
  return `[ ${parts.join(', ')} ]`;
}

function object(value: object, depth: number): string {
  if (types.isDate(value)) return 'a Date';
  const maker: unknown = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(value) ?? {}, 'constructor')?.value;
  const name: unknown =
    typeof maker === 'function' && !types.isProxy(maker)
      ? Object.getOwnPropertyDescriptor(maker, 'name')?.value
      : undefined;
  const prefix = typeof name === 'string' && name !== 'Object' && name !== '' ? `${shorten(name, 50)} ` : '';
  if (depth < 0) return prefix === '' ? '[Object]' : `[${prefix.trim()}]`;
  const parts: string[] = [];
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    if (parts.length === SHOWN_ENTRIES) {
      parts.push('...');
      break;
    }
    const shownKey = /^[A-Za-z_$][\w$]{0,50}$/.test(key) ? key : cut(key, 50, (piece) => inspect(piece));
    parts.push(`${shownKey}: ${property(value, key, depth)}`);
  }
  return parts.length === 0 ? `${prefix}{}` : `${prefix}{ ${parts.join(', ')} }`;
}

function property(of: object, key: string, depth: number): string {
  const found = Object.getOwnPropertyDescriptor(of, key);
  if (!found) return 'a hole';
  return 'value' in found ? plain(found.value, depth - 1) : 'a getter';
}
