import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { loadAddon, type NativeHandle } from './addon.js';
import { NativeConntrackPort } from './conntrack/native-port.js';
import { NativeIpvsPort } from './ipvs/native-port.js';
import type { Kernel, OpenOptions } from './kernel.js';
import { namespacePath } from './namespace.js';
import { openNativeJournal, readNativeJournals } from './native-journal.js';
import { NativeNetfilterPort } from './netfilter/native-port.js';
import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSession } from './netlink/session.js';
import { nativeNamespaces } from './network/namespaces.js';
import { NativeNetworkPort } from './network/native-port.js';
import { DEFAULT_TIMEOUT, requests, type Sender } from './requests.js';

/** The kernel this process runs on, through the addon. */
export const nativeKernel: Kernel = {
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

  openJournal: openNativeJournal,
  readJournals: readNativeJournals,

  clock: {
    // Setting the clock of the day is not to make a deadline come sooner or later.
    now: () => uptime() * 1000,
    async sleep(milliseconds, signal) {
      try {
        await setTimeout(milliseconds, undefined, { signal });
      } catch (error) {
        signal?.throwIfAborted(); // with its reason, which Node's error only has as its cause
        throw error;
      }
    },
  },

  bootId: () => readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),

  async gracePeriod() {
    // Where it cannot be waited for: a packet is through in microseconds, unless its processor is taken away
    // from a virtual machine meanwhile.
    if ((await loadAddon().gracePeriod()) !== 0) await setTimeout(100);
  },
};

function pathOf({ namespace }: OpenOptions): string | undefined {
  return namespace === undefined ? undefined : namespacePath(namespace);
}

/** An open that failed may have come half-way, or still be on its way. */
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
