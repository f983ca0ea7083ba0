import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import { namespacePath } from '../kernel/namespace.js';
import { loadAddon, type NativeHandle } from './addon.js';
import { NativeConntrackPort } from './conntrack/port.js';
import { NativeIpvsPort } from './ipvs/port.js';
import { nativeJournalPath, openNativeJournal, readNativeJournals } from './journal.js';
import { NativeNetfilterPort } from './netfilter/port.js';
import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSession } from './netlink/session.js';
import { nativeNamespaces } from './network/namespaces.js';
import { NativeNetworkPort } from './network/port.js';
import { DEFAULT_TIMEOUT, requests, type Sender } from './requests.js';

/** The kernel of this machine, through the addon, except for its clock. */
export const kernelOfAddon: Omit<Kernel, 'clock'> = {
  async openIpvs(options: OpenOptions) {
    const path = pathOf(options);
    const sender = requests().newIpvs(options.timeout ?? DEFAULT_TIMEOUT);
    const family = await closingOnFailure(sender, sender.send('open', [path], options));
    return new NativeIpvsPort(sender, family);
  },

  async openConntrack(options: OpenOptions) {
    const path = pathOf(options);
    const sender = requests().newConntrack(options.timeout ?? DEFAULT_TIMEOUT);
    await closingOnFailure(sender, sender.send('open', [path], options));
    return new NativeConntrackPort(sender);
  },

  async openNetfilter(options: OpenOptions) {
    const openRoute = () => NetlinkSession.open(NETLINK_ROUTE, { ...options, signal: undefined });
    return new NativeNetfilterPort(await NetlinkSession.open(NETLINK_NETFILTER, options), openRoute);
  },

  async openNetwork(options: OpenOptions) {
    const openGeneric = () => NetlinkSession.open(NETLINK_GENERIC, { ...options, signal: undefined });
    return new NativeNetworkPort(await NetlinkSession.open(NETLINK_ROUTE, options), openGeneric);
  },

  namespaces: nativeNamespaces,

  journalPath: nativeJournalPath,
  openJournal: openNativeJournal,
  readJournals: readNativeJournals,

  bootId: () => readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),

  async gracePeriod() {
    // Waits 100 ms if the kernel cannot report a grace period. A packet takes microseconds, unless the hypervisor
    // stops the processor meanwhile.
    if ((await loadAddon().gracePeriod()) !== 0) await setTimeout(100);
  },
};

function pathOf({ namespace }: OpenOptions): string | undefined {
  return namespace === undefined ? undefined : namespacePath(namespace);
}

/** Closes the session if opening it fails, because the open may be incomplete or still under way. */
async function closingOnFailure<T>(
  sender: Sender<NativeHandle, { readonly close: undefined }>,
  opening: Promise<T>,
): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    void sender.close();
    throw error;
  }
}
