/** Deletes the undefined properties of an object and returns it. */
export function compact<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  for (const name of Object.keys(value) as (keyof T)[]) if (value[name] === undefined) delete value[name];
  return value as T;
}
