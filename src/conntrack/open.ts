import { checkCallOptions, checkKernel, checkOptions, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import { nativeKernel } from '../linux/linux-kernel.js';
import { translate } from './errors.js';

/** The options of {@link Conntrack.open}. */
export interface ConntrackOptions extends OpenOptions {
  /** Kernel to use instead of this machine's, for tests. */
  readonly kernel?: Pick<Kernel, 'openConntrack'> | undefined;
}

export async function openPort(options: ConntrackOptions): Promise<ConntrackPort> {
  if (typeof options !== 'object') throw invalid(`open takes options: Conntrack.open({ namespace: ${show(options)} })`);
  checkOptions('a handle', options, ['namespace', 'kernel', 'signal', 'timeout']);
  const { namespace, kernel = nativeKernel, ...call } = options;
  checkCallOptions(call);
  checkKernel(kernel, 'openConntrack');
  const object = namespace === undefined ? 'conntrack' : `conntrack in namespace ${show(namespace)}`;
  try {
    return await kernel.openConntrack(options);
  } catch (error) {
    if (error instanceof IpvsError) throw error;
    throw translate({ command: 'OPEN', action: 'open', object }, error);
  }
}
