import { type FileHandle, readdir } from 'node:fs/promises';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import type { NamespacePort } from '../../kernel/network/port.js';
import type { NamespaceEntry } from '../../kernel/network/types.js';
import { readAttributes } from '../netlink/reader.js';
import { NETLINK_ROUTE, NetlinkSession } from '../netlink/session.js';
import { MessageWriter, NLM_F } from '../netlink/writer.js';
import { DEFAULT_TIMEOUT, requests } from '../requests.js';
import { openNamespace } from './namespace-files.js';
import { RTM } from './wire.js';

const directory = '/run/netns';
/** Additional time for a request to report its own timeout, in milliseconds. */
const RESERVE = 1000;
/** Maximum delay of a timer, in milliseconds. */
const MOST_TIMEOUT = 0x7fffffff;
/** Number of files that are open at the same time. */
const SOME = 64;

/** Attributes NETNSA_* (include/uapi/linux/net_namespace.h). */
const NETNSA = { NSID: 1, FD: 3 } as const;

/** The named network namespaces of this machine, through the addon. */
export const nativeNamespaces: NamespacePort = {
  async add(name: string, { signal, timeout = DEFAULT_TIMEOUT }: CallOptions = {}) {
    // The addon ends the wait for the lock and can name it in the error; the timer is for all other delays.
    const reserved = timeout === Number.POSITIVE_INFINITY ? timeout : Math.min(timeout + RESERVE, MOST_TIMEOUT);
    const sender = requests().newNetlink(reserved);
    await sender.send('createNamespace', [directory, name, timeout], { signal });
  },

  async delete(name: string, options: CallOptions = {}) {
    await requests().newNetlink(DEFAULT_TIMEOUT).send('deleteNamespace', [directory, name], options);
  },

  async list(options: CallOptions = {}) {
    const names = (await fileNames()).toSorted();
    if (names.length === 0) return [];
    const session = await NetlinkSession.open(NETLINK_ROUTE, options);
    try {
      const entries: NamespaceEntry[] = [];
      for (let at = 0; at < names.length; at += SOME)
        entries.push(...(await identify(session, names.slice(at, at + SOME), options)));
      return entries;
    } finally {
      await session.close();
    }
  },
};

async function fileNames(): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : Errno.EIO;
    if (errno === Errno.ENOENT) return [];
    throw new KernelFailure(errno, `read ${directory}`);
  }
}

/** Reads the ids of namespaces. Omits files that are no longer a namespace. */
async function identify(
  session: NetlinkSession,
  names: readonly string[],
  options: CallOptions,
): Promise<NamespaceEntry[]> {
  const files: { name: string; file: FileHandle }[] = [];
  try {
    for (const name of names) {
      const file = await openNamespace(`${directory}/${name}`);
      if ('fd' in file) files.push({ name, file });
    }
    if (files.length === 0) return [];
    const writer = new MessageWriter();
    for (const { file } of files) {
      writer.message(RTM.GETNSID, NLM_F.REQUEST | NLM_F.ACK, () => {
        writer.fixed(new Uint8Array(4)); // struct rtgenmsg, padded
        writer.u32(NETNSA.FD, file.fd);
      });
    }
    const { outcomes, replies } = await session.request(writer.take(), options);
    let next = 0;
    return outcomes.map(({ errno }, place) => {
      const name = files[place]?.name ?? '';
      const reply = errno === 0 ? replies[next++] : undefined;
      const id = reply && idOf(reply.payload);
      return id === undefined ? { name } : { name, id };
    });
  } finally {
    for (const { file } of files) await file.close();
  }
}

/** Returns the id of a reply; the kernel sends -1 for none. */
function idOf(payload: Uint8Array): number | undefined {
  for (const attribute of readAttributes(payload, 4))
    if (attribute.type === NETNSA.NSID && attribute.i32 >= 0) return attribute.i32;
  return undefined;
}
