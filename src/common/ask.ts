import { checkCallOptions } from './check.js';
import type { Request } from './meanings.js';

/** One call of a handle: the request as errors name it, and the options that the caller gave. */
export interface Call<Command extends string> extends Request<Command> {
  /** Options as given: anything but `signal`, `timeout` and `names` is refused. */
  readonly options?: { readonly signal?: unknown; readonly timeout?: unknown } | undefined;
  /** Options that this method has besides `signal` and `timeout`. */
  readonly names?: readonly string[] | undefined;
}

/** Turns a failure of the kernel into an error that names the request. */
export type Translate<Command extends string> = (request: Request<Command>, error: unknown) => unknown;

/** Checks the options of a call, runs it, and translates its failure. */
export async function ask<Command extends string, T>(
  translate: Translate<Command>,
  { command, action, object, options, names }: Call<Command>,
  work: () => Promise<T>,
): Promise<T> {
  checkCallOptions(options, names);
  try {
    return await work();
  } catch (error) {
    throw translate({ command, action, ...(object !== undefined && { object }) }, error);
  }
}
