import { checkCallOptions, checkKernel, checkOptions, namesOf, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import type { NetworkPort } from '../kernel/network/port.js';
import { nativeKernel } from '../linux/linux-kernel.js';
import { translate } from './errors.js';

const optionNames = namesOf<NetworkOptions>({ namespace: true, kernel: true, signal: true, timeout: true });

/** Options of `Network.open()`. */
export interface NetworkOptions extends OpenOptions {
  /** Kernel to use instead of the machine's: a `MemoryKernel`, for tests. */
  readonly kernel?: Kernel | undefined;
}

/** Checks the options and opens the port. */
export async function openPort(options: NetworkOptions): Promise<{ port: NetworkPort; kernel: Kernel }> {
  if (typeof options !== 'object') throw invalid(`open takes options: Network.open({ namespace: ${show(options)} })`);
  checkOptions('a handle', options, optionNames);
  const { namespace, kernel = nativeKernel, ...call } = options;
  checkCallOptions(call);
  checkKernel(kernel, 'openNetwork');
  const request = {
    command: 'OPEN',
    action: 'open the network',
    ...(namespace !== undefined && { object: `namespace ${show(namespace)}` }),
  } as const;
  try {
    return { port: await kernel.openNetwork(options), kernel };
  } catch (error) {
    throw error instanceof IpvsError ? error : translate(request, error);
  }
}
