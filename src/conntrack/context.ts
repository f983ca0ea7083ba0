import { ask, type Call } from '../common/ask.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import { type Command, translate } from './errors.js';

/** Calls the kernel and translates its failures into errors that name the request. */
export class Context {
  readonly port: ConntrackPort;

  constructor(port: ConntrackPort) {
    this.port = port;
  }

  /** Checks the options of a call, then runs it. */
  ask<T>(call: Call<Command>, work: () => Promise<T>): Promise<T> {
    return ask(translate, call, work);
  }
}
