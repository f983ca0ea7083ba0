import type { CallOptions } from '../kernel.js';
import type { NetlinkSession, Outcome } from '../netlink/session.js';
import { MessageWriter } from '../netlink/writer.js';
import { decodeLink, encodeGetLink, encodeListLinks, type RawLink } from './links.js';
import type { NameOf } from './wire.js';

/** So many interfaces are asked for one by one; more, all together. */
const FEW = 32;

/** Interfaces by their names and indexes. Nothing is kept: either may change at any time. */
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

  /** Each, or why there is none. */
  async find(links: readonly (string | number)[], options: CallOptions = {}): Promise<(RawLink | Outcome)[]> {
    if (links.length === 0) return [];
    const writer = new MessageWriter();
    for (const link of links) encodeGetLink(writer, link);
    const { outcomes, replies } = await this.#session.request(writer.take(), options);
    // Replies come in order, one for each that is there.
    let next = 0;
    return outcomes.map((outcome) => {
      const reply = outcome.errno === 0 ? replies[next++] : undefined;
      return (reply && decodeLink(reply.payload)) ?? outcome;
    });
  }

  /** The names of these, as far as they are there. */
  async names(indexes: Iterable<number>, options: CallOptions = {}): Promise<NameOf> {
    const wanted = [...new Set(indexes)];
    const links = wanted.length > FEW ? await this.all(options) : await this.find(wanted, options);
    const names = new Map(links.flatMap((link) => ('errno' in link ? [] : [[link.index, link.name] as const])));
    return (index) => names.get(index);
  }
}
