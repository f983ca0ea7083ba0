import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import { pauseIfDue } from '../../common/slices.js';
import type { CallOptions } from '../../kernel/call.js';
import type { OpenOptions } from '../../kernel/kernel.js';
import { namespacePath } from '../../kernel/namespace.js';
import type { NativeNetlinkSession, NativeOutcomes, NetlinkReplies, Verdict } from '../addon.js';
import { DEFAULT_TIMEOUT, requests, type Sender } from '../requests.js';
import { SessionFiles } from '../session-files.js';
import { type Message, readMessages } from './reader.js';
import type { Messages } from './writer.js';

/** Protocols of netlink (include/uapi/linux/netlink.h). */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

/** Maximum number of readings of a dump that the kernel reports as inconsistent. */
const READINGS = 20;

/** The kernel's answer to one message. Errno 0 is success. */
export interface Outcome {
  readonly errno: number;
  /** Text of the extended ack; often empty. */
  readonly message: string;
}

export interface Answer {
  readonly outcomes: readonly Outcome[];
  readonly replies: readonly Message[];
}

export interface Heard {
  readonly messages: readonly Message[];
  /** True if messages were lost before these. */
  readonly overrun: boolean;
}

export interface Listener {
  /** Returns the messages since the last call. Waits if there are none. One call at a time. */
  next(signal?: AbortSignal): Promise<Heard>;
  close(): void;
}

/**
 * A session of one netlink protocol in one network namespace. TypeScript code encodes and decodes its
 * messages, because routes and rules are few; C++ does so for the large tables of IPVS and conntrack.
 */
export class NetlinkSession extends SessionFiles {
  readonly #sender: Sender<NativeNetlinkSession, NetlinkReplies>;

  /** Cookie of the network namespace, unique until the machine is restarted (SO_NETNS_COOKIE). */
  readonly cookie: bigint;

  private constructor(sender: Sender<NativeNetlinkSession, NetlinkReplies>, cookie: bigint) {
    super(sender);
    this.#sender = sender;
    this.cookie = cookie;
  }

  /** Opens a session. Like all methods, it rejects with a `KernelFailure`. */
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

  /** Sends messages with NLM_F_ACK. Each has its own outcome, and a failed one does not stop the later ones. */
  async request({ bytes, offsets }: Messages, options: CallOptions = {}): Promise<Answer> {
    const answer = await this.#sender.send('request', [bytes, offsets], options);
    return { outcomes: outcomesOf(answer), replies: [...readMessages(answer.replies)] };
  }

  /** Sends one message with NLM_F_DUMP. Repeats the dump while the kernel reports a change during it. */
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
   * Sends a batch that the kernel executes completely or not at all. Takes the messages in pieces, and lets the event
   * loop turn between them; an abort between them sends nothing. A piece is used before the next one is taken.
   */
  async transact(pieces: Iterable<Messages>, options: CallOptions = {}): Promise<Verdict> {
    const batch = requests().newBatch();
    let isFirst = true;
    for (const { bytes, offsets } of pieces) {
      if (!isFirst) await pauseIfDue(bytes.length, options.signal); // a small batch is sent at once
      isFirst = false;
      batch.append(bytes, offsets);
    }
    return this.#sender.send('transact', [batch], options);
  }

  /** Joins multicast groups and listens to their messages, from the moment the promise resolves. */
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

  /** Sends an Ethernet frame unchanged through the interface with this index. */
  async sendFrame(index: number, frame: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#sender.send('sendFrame', [index, frame], options);
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
