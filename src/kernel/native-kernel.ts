import { NativeIpvsPort } from './ipvs/native-port.js';
import type { IpvsPort } from './ipvs/port.js';
import type { Kernel, OpenOptions } from './kernel.js';
import { namespacePath } from './namespace.js';
import { DEFAULT_TIMEOUT, requests } from './requests.js';

/** The kernel this process runs on, through the addon. */
export const nativeKernel: Kernel = {
  async openIpvs(options: OpenOptions): Promise<IpvsPort> {
    const path = options.namespace === undefined ? undefined : namespacePath(options.namespace);
    const session = requests().newSession();
    try {
      const family = await requests().send(session, 'open', [path], options);
      return new NativeIpvsPort(session, family, options.timeout ?? DEFAULT_TIMEOUT);
    } catch (error) {
      // It may have come half-way, or still be on its way.
      requests()
        .send(session, 'close', [], {})
        .catch(() => {});
      throw error;
    }
  },
};
