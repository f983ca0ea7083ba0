import type { Scope } from './types.js';

const scopes = new Map<number, Scope>([
  [0, 'global'],
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
  [255, 'nowhere'],
]);
const scopeNumbers = new Map([...scopes].map(([number, name]) => [name, number]));

export function scopeOf(number: number): Scope {
  return scopes.get(number) ?? number;
}

export function scopeNumber(scope: Scope): number {
  return typeof scope === 'number' ? scope : (scopeNumbers.get(scope) ?? 0);
}
