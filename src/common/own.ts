/**
 * Returns the value of an own property. A name from outside may be a property of `Object.prototype`
 * (`constructor`, `toString`, `__proto__`), which every object inherits.
 */
export function ownValue<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Creates an object without a prototype, for names from outside. */
export function recordOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const record = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) record[name] = value;
  return record;
}
