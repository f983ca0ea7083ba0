/** Returns a copy for JSON, with text instead of bigints, which JSON does not have. */
export function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if ('toJSON' in value && typeof value.toJSON === 'function') return value.toJSON();
  if (Array.isArray(value)) return value.map(jsonOf);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, jsonOf(field)]));
}

/** Adds a `toJSON` to a plain object, so that `JSON.stringify` accepts its bigints. */
export function withJson<T extends object>(value: T): T {
  const plain = { ...value };
  return Object.defineProperty(value, 'toJSON', { value: () => jsonOf(plain) });
}
