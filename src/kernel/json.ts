/** The same with text for bigints, which JSON has not. */
export function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if ('toJSON' in value && typeof value.toJSON === 'function') return value.toJSON();
  if (Array.isArray(value)) return value.map(jsonOf);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, jsonOf(field)]));
}

/** Makes `JSON.stringify` take a plain object with bigints. */
export function withJson<T extends object>(value: T): T {
  const plain = { ...value };
  return Object.defineProperty(value, 'toJSON', { value: () => jsonOf(plain) });
}
