import type { CallOptions } from '../../kernel/call.js';
import type { NetlinkSession, Outcome } from '../netlink/session.js';
import { MessageWriter } from '../netlink/writer.js';
import { decodeLink, encodeGetLink, encodeListLinks, type RawLink } from './links.js';
import type { NameOf } from './wire.js';

/** Maximum number of interfaces to read individually. For more, it reads all interfaces. */
const FEW = 32;

/** Looks up interfaces by their names and indexes. Caches nothing, because both may change at any time. */
export class Interfaces {
  readonly #session: NetlinkSession;

  constructor(session: NetlinkSession) {
    this.#session = session;
  }

  async all(options: CallOptions = {}): Promise<RawLink[]> {
    const writer = new MessageWriter();
    encodeListLinks(writer);
    const messages = await this.#session.dump(writer.take(), options);
    return messages.map(({ payload }) => decodeLink(payload)).filter((link) => link !== undefined);
  }

  /** Returns each interface, or the outcome of its failed request. */
  async find(links: readonly (string | number)[], options: CallOptions = {}): Promise<(RawLink | Outcome)[]> {
    if (links.length === 0) return [];
    const writer = new MessageWriter();
    for (const link of links) encodeGetLink(writer, link);
    const { outcomes, replies } = await this.#session.request(writer.take(), options);
    // Replies have the order of the requests, one for each interface that exists.
    let next = 0;
    return outcomes.map((outcome) => {
      const reply = outcome.errno === 0 ? replies[next++] : undefined;
      return (reply && decodeLink(reply.payload)) ?? outcome;
    });
  }

  /** Returns a function that finds the names of these indexes, as far as the interfaces exist. */
  async names(indexes: Iterable<number>, options: CallOptions = {}): Promise<NameOf> {
    const wanted = [...new Set(indexes)];
    const links = wanted.length > FEW ? await this.all(options) : await this.find(wanted, options);
    const names = new Map(links.flatMap((link) => ('errno' in link ? [] : [[link.index, link.name] as const])));
    return (index) => names.get(index);
  }
}
