import type { NativeNetlinkSession, NativeOutcomes, NetlinkReplies } from '../addon.js';
import { Errno } from '../errno.js';
import { KernelFailure } from '../errors.js';
import type { CallOptions, OpenOptions } from '../kernel.js';
import { namespacePath } from '../namespace.js';
import { DEFAULT_TIMEOUT, requests, type Sender } from '../requests.js';
import { type Message, readMessages } from './reader.js';
import type { Messages } from './writer.js';

/** Families of netlink (include/uapi/linux/netlink.h). */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

/** How often a dump is begun again that the kernel says is not of one piece. */
const READINGS = 20;

/** What the kernel said of one message; errno 0 is success. */
export interface Outcome {
  readonly errno: number;
  /** Its extended ack; often empty. */
  readonly message: string;
}

export interface Answer {
  readonly outcomes: readonly Outcome[];
  readonly replies: readonly Message[];
}

export interface Heard {
  readonly messages: readonly Message[];
  /** Some were lost before these. */
  readonly overrun: boolean;
}

export interface Listener {
  /** What has come since the last time; waits if nothing has. One at a time. */
  next(signal?: AbortSignal): Promise<Heard>;
  close(): void;
}

/**
 * One family of netlink in one network namespace. Routes and rules are few: they are written and
 * read in TypeScript over this, where tables of IPVS and of connection tracking are C++'s.
 */
export class NetlinkSession {
  readonly #sender: Sender<NativeNetlinkSession, NetlinkReplies>;

  /** Of the network namespace: no other has the same until the machine is started again (SO_NETNS_COOKIE). */
  readonly cookie: bigint;

  private constructor(sender: Sender<NativeNetlinkSession, NetlinkReplies>, cookie: bigint) {
    this.#sender = sender;
    this.cookie = cookie;
  }

  /** Rejects with a `KernelFailure`, as all here. */
  static async open(protocol: number, options: OpenOptions): Promise<NetlinkSession> {
    const path = options.namespace === undefined ? undefined : namespacePath(options.namespace);
    const sender = requests().newNetlink(options.timeout ?? DEFAULT_TIMEOUT);
    try {
      return new NetlinkSession(sender, await sender.send('open', [path, protocol], options));
    } catch (error) {
      void sender.close();
      throw error;
    }
  }

  /** Messages with NLM_F_ACK, each with its own outcome; one that fails does not stop those behind it. */
  async request({ bytes, offsets }: Messages, options: CallOptions = {}): Promise<Answer> {
    const answer = await this.#sender.send('request', [bytes, offsets], options);
    return { outcomes: outcomesOf(answer), replies: [...readMessages(answer.replies)] };
  }

  /** One message with NLM_F_DUMP. Begun again while the kernel says that what it tells changed meanwhile. */
  async dump({ bytes, offsets }: Messages, options: CallOptions = {}): Promise<readonly Message[]> {
    for (let reading = 0; reading < READINGS; reading++) {
      const answer = await this.#sender.send('dump', [bytes, offsets], options);
      const [outcome] = outcomesOf(answer);
      if (outcome && outcome.errno !== 0) throw new KernelFailure(outcome.errno, outcome.message);
      if (outcome?.message !== 'interrupted') return [...readMessages(answer.replies)];
    }
    throw new KernelFailure(Errno.EINTR, `changed during each of ${READINGS} readings`);
  }

  /**
   * A batch that the kernel carries out whole or not at all. `lost`: not all that the kernel said
   * could be received.
   */
  async transact(
    { bytes, offsets }: Messages,
    options: CallOptions = {},
  ): Promise<{ outcomes: Outcome[]; lost: boolean }> {
    const verdict = await this.#sender.send('transact', [bytes, offsets], options);
    return { outcomes: outcomesOf(verdict), lost: verdict.lost };
  }

  /** What the kernel tells multicast groups from now on: they are joined when this resolves. */
  async listen(groups: readonly number[], options: CallOptions = {}): Promise<Listener> {
    const close = (cursor: number): void => this.#sender.forget('unlisten', [cursor]);
    const cursor = await this.#sender.send('listen', [Uint32Array.from(groups)], options, close);
    return {
      next: async (signal) => {
        const waiting = { signal, timeout: Number.POSITIVE_INFINITY };
        const { messages, overrun } = await this.#sender.send('heard', [cursor], waiting);
        return { messages: [...readMessages(messages)], overrun };
      },
      close: () => close(cursor),
    };
  }

  /** An Ethernet frame, as it is, out of the interface with this index. */
  async sendFrame(index: number, frame: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#sender.send('sendFrame', [index, frame], options);
  }

  /** Files of /proc and /sys as this namespace sees them: the text, or an errno. */
  readFiles(paths: readonly string[], options: CallOptions = {}): Promise<readonly (string | number)[]> {
    return this.#sender.send('readFiles', [paths], options);
  }

  async writeFile(path: string, text: string, options: CallOptions = {}): Promise<void> {
    await this.#sender.send('writeFile', [path, text], options);
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}

function outcomesOf({ errnos, messages }: NativeOutcomes): Outcome[] {
  const outcomes = Array.from(errnos, (errno) => ({ errno, message: '' }));
  for (let i = 0; i + 1 < messages.length; i += 2) {
    const outcome = outcomes[messages[i] as number];
    if (outcome) outcome.message = messages[i + 1] as string;
  }
  return outcomes;
}
