import { checkCallOptions, checkOptions, namesOf, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { Kernel } from '../kernel/kernel.js';
import { namespacePath } from '../kernel/namespace.js';
import type { NamespaceEntry } from '../kernel/network/types.js';
import { nativeKernel } from '../linux/linux-kernel.js';
import { type Request, translate } from './errors.js';

const optionNames = namesOf<NamespaceOptions>({ kernel: true, signal: true, timeout: true });

export interface NamespaceOptions extends CallOptions {
  /** Kernel to use instead of the machine's, for tests. */
  readonly kernel?: Kernel | undefined;
}

async function ask<T>(
  request: Request,
  options: NamespaceOptions,
  work: (kernel: Kernel, call: CallOptions) => Promise<T>,
): Promise<T> {
  checkOptions('a call', options, optionNames);
  const { kernel = nativeKernel, ...call } = options;
  checkCallOptions(call);
  const port = (kernel as Partial<Kernel> | null)?.namespaces;
  if (typeof port !== 'object' || port === null)
    throw invalid(`kernel must be an object with namespaces, such as a MemoryKernel; not ${show(kernel)}`);
  try {
    return await work(kernel, call);
  } catch (error) {
    throw translate(request, error);
  }
}

function checkNamespace(name: unknown): string {
  namespacePath({ name: name as string });
  return name as string;
}

/**
 * Makes a network namespace with a name, as `ip netns add` does: a file in `/run/netns`, on which it is mounted. Its
 * `lo` is down. A failure leaves nothing behind. Requires root.
 *
 * The first creation on a machine makes `/run/netns` a shared mount, and takes the lock (flock(2)) that `ip netns` then
 * takes. While another process holds that lock, this waits until `timeout`; no other request waits.
 * @throws IpvsError `ERR_IPVS_NAMESPACE_EXISTS`, `ERR_IPVS_PERMISSION`, `ERR_IPVS_TIMEOUT`
 */
export async function addNamespace(name: string, options: NamespaceOptions = {}): Promise<void> {
  const checked = checkNamespace(name);
  const request = { command: 'add-namespace', action: 'add namespace', object: checked } as const;
  await ask(request, options, (kernel, call) => kernel.namespaces.add(checked, call));
}

/**
 * Deletes the name, as `ip netns delete` does. The kernel deletes the namespace when nothing uses it any more: no
 * process, no open handle. Deletes a symbolic link, not its target.
 * @throws IpvsError `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_PERMISSION`
 */
export async function deleteNamespace(name: string, options: NamespaceOptions = {}): Promise<void> {
  const checked = checkNamespace(name);
  const request = { command: 'delete-namespace', action: 'delete namespace', object: checked } as const;
  await ask(request, options, (kernel, call) => kernel.namespaces.delete(checked, call));
}

/** Returns the namespaces in `/run/netns`, by name. Omits files that are no longer a namespace. */
export async function namespaces(options: NamespaceOptions = {}): Promise<readonly NamespaceEntry[]> {
  const request = { command: 'list', action: 'list', object: 'namespaces' } as const;
  return ask(request, options, (kernel, call) => kernel.namespaces.list(call));
}
