import { checkFlag, checkInteger, checkOneOf, checkOptions, isText, show } from '../common/check.js';
import { invalid } from '../common/errors.js';

const parts: readonly KernelPart[] = ['ipvs', 'conntrack', 'netfilter', 'network', 'namespaces', 'journal'];

/** A part of a kernel that takes requests. */
export type KernelPart = 'ipvs' | 'conntrack' | 'netfilter' | 'network' | 'namespaces' | 'journal';

/** A failure of the in-memory kernel. It applies to requests that match `part`, `command` and `object`, if given. */
export interface Fault {
  /** Part of the kernel whose requests fail. */
  readonly part?: KernelPart | undefined;
  /**
   * Name of a change in the port (`NEW_DEST`, `add-address`, `add-element`, `create`), or of a method of the port
   * (`services`, `readFiles`, `open`).
   */
  readonly command?: string | undefined;
  /** Text that the description of the object contains, for example an address or a name. */
  readonly object?: string | undefined;
  /** Number of matching requests that succeed first. Default: 0. */
  readonly after?: number | undefined;
  /** Number of requests that fail. Default: 1; `Infinity` for all. */
  readonly times?: number | undefined;
  /**
   * Linux errno, for example 12 for ENOMEM; or `killed`, which kills the program: all its handles are closed, and its
   * changes so far stay. Default: 5, EIO.
   */
  readonly errno?: number | 'killed' | undefined;
  /** True if the kernel carries out the request and only the answer is lost. Default: false. */
  readonly carriedOut?: boolean | undefined;
}

const names = ['part', 'command', 'object', 'after', 'times', 'errno', 'carriedOut'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkFault(fault: Fault): void {
  checkOptions('a failure', fault, names);
  const { part, command, object, after = 0, times = 1, errno = 5, carriedOut = false } = fault;
  for (const [what, text] of Object.entries({ command, object }))
    if (text !== undefined && (!isText(text, 1024) || text === ''))
      throw invalid(`${what} must be a text, not ${show(text)}`);
  checkFlag('carriedOut', carriedOut);
  if (part !== undefined) checkOneOf('part', part, parts);
  checkInteger('after', after, 0, Number.MAX_SAFE_INTEGER);
  if (times !== Number.POSITIVE_INFINITY) checkInteger('times', times, 1, Number.MAX_SAFE_INTEGER);
  if (errno !== 'killed') checkInteger('errno', errno, 1, 4095);
}

interface Waiting {
  readonly fault: Fault;
  seen: number;
}

/** The pending failures. */
export class Faults {
  #waiting: Waiting[] = [];

  add(fault: Fault): void {
    this.#waiting.push({ fault, seen: 0 });
  }

  clear(): void {
    this.#waiting = [];
  }

  /** Returns the failure for this request, if any, and counts it. */
  next(part: KernelPart, command: string, object: string): Fault | undefined {
    for (const waiting of this.#waiting) {
      const { fault } = waiting;
      const { after = 0, times = 1 } = fault;
      if (fault.part !== undefined && fault.part !== part) continue;
      if (fault.command !== undefined && fault.command !== command) continue;
      if (fault.object !== undefined && !object.includes(fault.object)) continue;
      waiting.seen++;
      if (waiting.seen <= after) continue;
      if (waiting.seen >= after + times) this.#waiting = this.#waiting.filter((other) => other !== waiting);
      return fault;
    }
    return undefined;
  }
}
