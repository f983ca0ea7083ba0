import { checkCallOptions } from '../common/check.js';
import type { CallOptions } from '../kernel/call.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import { type Command, translate } from './errors.js';

/** Calls the kernel and translates its failures into errors that name the request. */
export class Context {
  readonly port: ConntrackPort;

  constructor(port: ConntrackPort) {
    this.port = port;
  }

  async ask<T>(
    command: Command,
    action: string,
    object: string | undefined,
    work: () => Promise<T>,
    options?: CallOptions,
  ): Promise<T> {
    checkCallOptions(options);
    try {
      return await work();
    } catch (error) {
      throw translate({ command, action, ...(object !== undefined && { object }) }, error);
    }
  }
}
