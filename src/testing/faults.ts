import { checkFlag, checkInteger, checkOneOf, checkOptions, isText, show } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';

const parts = ['ipvs', 'conntrack', 'netfilter', 'network', 'namespaces', 'journal'] as const;

/** The parts of a kernel that can be asked for something. */
export type KernelPart = (typeof parts)[number];

/** A failure that the kernel in memory is to have. All that is named has to fit. */
export interface Fault {
  readonly part?: KernelPart | undefined;
  /**
   * The name of a change, as the port has it (`NEW_DEST`, `add-address`, `add-element`, `create`),
   * or of a method of the port (`services`, `readFiles`, `open`).
   */
  readonly command?: string | undefined;
  /** What the description of the object has in it: an address, a name. */
  readonly object?: string | undefined;
  /** Let so many pass first. Default: 0. */
  readonly after?: number | undefined;
  /** Fail so often. Default: 1; `Infinity` for always. */
  readonly times?: number | undefined;
  /**
   * A Linux errno, such as 12 for ENOMEM; or `killed`: the program dies, and all of its handles with
   * it, while what it did so far stays. Default: 5, EIO.
   */
  readonly errno?: number | 'killed' | undefined;
  /** It is carried out, and fails nevertheless: the answer is lost. Default: false. */
  readonly carriedOut?: boolean | undefined;
}

const names = ['part', 'command', 'object', 'after', 'times', 'errno', 'carriedOut'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkFault(fault: Fault): void {
  checkOptions('a failure', fault, names);
  const { part, command, object, after = 0, times = 1, errno = 5, carriedOut = false } = fault;
  for (const [what, text] of Object.entries({ command, object }))
    if (text !== undefined && (!isText(text, 1024) || text === ''))
      throw invalid(`${what} is a text, not ${show(text)}`);
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

/** Which failures are still to come. */
export class Faults {
  #waiting: Waiting[] = [];

  add(fault: Fault): void {
    this.#waiting.push({ fault, seen: 0 });
  }

  clear(): void {
    this.#waiting = [];
  }

  /** The failure of this request, if it is to have one. */
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
