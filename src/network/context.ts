import { ask, type Call } from '../common/ask.js';
import { Errno } from '../common/errno.js';
import type { IpvsError } from '../common/errors.js';
import type { FileCommand } from '../common/meanings.js';
import type { CallOptions } from '../kernel/call.js';
import type { Clock } from '../kernel/kernel.js';
import type { NetworkPort } from '../kernel/network/port.js';
import type { NetworkOperation, OperationOutcome } from '../kernel/network/types.js';
import { requestOf } from './describe.js';
import { type Command, translate } from './errors.js';
import { refused } from './refusals.js';

/** Access to the kernel, with errors that name the request. */
export class Context {
  readonly port: NetworkPort;

  readonly clock: Clock;

  constructor(port: NetworkPort, clock: Clock) {
    this.port = port;
    this.clock = clock;
  }

  /** Checks the options of a call, runs it, and translates its failure. */
  ask<T>(call: Call<Command | FileCommand>, work: () => Promise<T>): Promise<T> {
    return ask(translate, call, work);
  }

  /** Runs a call that lists objects. `what`: their name in errors. */
  list<T>(what: string, options: CallOptions | undefined, work: () => Promise<T>): Promise<T> {
    return this.ask({ command: 'list', action: 'list', object: what, options }, work);
  }

  /** Sends the operations. Returns an error, or undefined, for each. */
  async send(operations: readonly NetworkOperation[], options?: CallOptions): Promise<(IpvsError | undefined)[]> {
    if (operations.length === 0) return [];
    const [first] = operations;
    const all = operations.length === 1 && first ? requestOf(first) : undefined;
    let outcomes: readonly OperationOutcome[];
    try {
      outcomes = await this.port.apply(operations, options);
    } catch (error) {
      throw translate(
        all ?? { command: first?.operation ?? 'list', action: 'apply', object: `${operations.length} changes` },
        error,
      );
    }
    return operations.map((operation, index) => {
      const outcome = outcomes[index] ?? { errno: Errno.EBADMSG, message: '' };
      return outcome.errno === 0 ? undefined : refused(operation, outcome);
    });
  }
}
