/**
 * Returns the value of an own property. Names that come from outside may be those of `Object.prototype`
 * (`constructor`, `toString`, `__proto__`), which every object seems to have.
 */
export function ownValue<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Makes an object without a prototype, for names that come from outside. */
export function recordOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const record = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) record[name] = value;
  return record;
}
