import { IpvsError } from '../../src/index.js';
import type { Kernel } from '../../src/kernel/kernel.js';

/** A namespace of some kernel, for the tests that every kernel has to pass. */
export interface Place {
  readonly kernel: Kernel;
  readonly namespace: string;
  dispose(): Promise<void>;
}

/** One for IPVS: it has the interface `d0`, its address 10.255.255.1, and a route for every address. */
export interface IpvsPlace extends Place {
  /** Another namespace, as new ones are: even `lo` is down. */
  readonly empty: string;
  /** A packet of UDP that a program there sends, from 10.255.255.1 and another port each time. */
  datagram(address: string, port: number): Promise<void>;
}

/** What a request failed with. */
export async function failure(work: Promise<unknown>): Promise<IpvsError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof IpvsError)) throw new Error(`not an IpvsError: ${error}`);
  return error;
}
