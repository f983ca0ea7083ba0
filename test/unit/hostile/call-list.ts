// A list of calls with valid arguments, and what all lists share.
import * as library from '../../../src/index.js';
import type { Call } from './run.js';

/** The options of a call. */
export const call = { signal: new AbortController().signal, timeout: 1000 };
export const namespace = { path: '/proc/self/ns/net' };

/** The options that open a handle. */
export const open = { namespace, ...call };

/** Has the functions of the library as its methods. */
export const exports = () => library;

type Subject = Call['subject'];
type Rest = Pick<Call, 'throws' | 'endless' | 'accepts' | 'without'>;

/** Calls by the name of their function, such as `Ipvs.open`. */
export class CallList extends Map<string, Call> {
  add(name: string, subject: Subject, args: Call['args'] | readonly unknown[], rest: Rest = {}): void {
    const method = name.split('.').at(-1) ?? name;
    this.set(name, { subject, method, args: typeof args === 'function' ? args : () => args, ...rest });
  }

  /** Adds calls of methods, by their names. */
  addMethods(
    name: string,
    subject: Subject,
    methods: Readonly<Record<string, readonly unknown[]>>,
    rest: Rest = {},
  ): void {
    for (const [method, args] of Object.entries(methods)) this.add(`${name}.${method}`, subject, args, rest);
  }
}
