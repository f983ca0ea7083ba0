import type { CallOptions } from '../../kernel/call.js';
import type { NetworkEventPort } from '../../kernel/network/port.js';
import type { NetworkEvent, NetworkEventType } from '../../kernel/network/types.js';
import type { Message } from '../netlink/reader.js';
import type { Listener, NetlinkSession } from '../netlink/session.js';
import { MessageWriter, NLM_F } from '../netlink/writer.js';
import { decodeAddress, encodeListAddresses, toAddress } from './addresses.js';
import { decodeForwardingEntry, toForwardingEntry } from './forwarding.js';
import { Interfaces } from './interfaces.js';
import { decodeLink, toLink } from './links.js';
import { decodeNeighbour, toNeighbour } from './neighbours.js';
import { decodeRoute, toRoute } from './routes.js';
import { decodeRule } from './rules.js';
import { RTM } from './wire.js';

/** RTNLGRP_* (include/uapi/linux/rtnetlink.h) by the object of events. */
const GROUP_LINK = 1;
const groups: Readonly<Record<string, readonly number[]>> = {
  link: [GROUP_LINK],
  address: [5, 9],
  route: [7, 11],
  rule: [8, 19],
  neighbour: [3],
  forwarding: [3],
};

/** Maximum number of names of deleted interfaces to keep, for later events that refer to them. */
const REMEMBERED = 64;

/** Closes a stream that was not closed when it is garbage-collected. */
const forgotten = new FinalizationRegistry<() => void>((close) => close());

export class NativeNetworkEvents implements NetworkEventPort {
  readonly #session: NetlinkSession;
  readonly #listener: Listener;
  readonly #types: ReadonlySet<string>;
  readonly #addresses: boolean;
  /** Names of the interfaces that exist after the last event, by index. */
  #present = new Map<number, string>();
  /** Names of deleted interfaces, by index. */
  readonly #gone = new Map<number, string>();
  /** Keys of the addresses that exist after the last event. */
  #known = new Set<string>();

  private constructor(session: NetlinkSession, listener: Listener, types: readonly NetworkEventType[]) {
    this.#session = session;
    this.#listener = listener;
    this.#types = new Set(types);
    this.#addresses = types.some((type) => type.startsWith('address'));
    forgotten.register(this, listener.close);
  }

  static async open(
    session: NetlinkSession,
    types: readonly NetworkEventType[],
    options: CallOptions,
  ): Promise<NativeNetworkEvents> {
    // Always includes the events of interfaces, which contain the names.
    const wanted = new Set([GROUP_LINK, ...types.flatMap((type) => groups[type.split('-')[0] ?? ''] ?? [])]);
    const listener = await session.listen([...wanted], options);
    try {
      const events = new NativeNetworkEvents(session, listener, types);
      await events.#read(options);
      return events;
    } catch (error) {
      listener.close();
      throw error;
    }
  }

  async next(signal?: AbortSignal): Promise<readonly NetworkEvent[]> {
    for (;;) {
      const { messages, overrun } = await this.#listener.next(signal);
      const events: NetworkEvent[] = [];
      if (overrun) {
        events.push({ type: 'overrun' });
        await this.#read({ signal });
      }
      for (const message of messages) {
        const event = this.#decode(message);
        if (event && this.#types.has(event.type)) events.push(event);
      }
      if (events.length > 0) return events;
    }
  }

  close(): void {
    this.#listener.close();
  }

  /** Reads the existing interfaces and addresses, so that events can distinguish new ones. */
  async #read(options: CallOptions): Promise<void> {
    const links = await new Interfaces(this.#session).all(options);
    this.#present = new Map(links.map(({ index, name }) => [index, name]));
    if (!this.#addresses) return;
    const writer = new MessageWriter();
    encodeListAddresses(writer);
    const messages = await this.#session.dump(writer.take(), options);
    this.#known = new Set(messages.flatMap(({ payload }) => decodeAddress(payload) ?? []).map(keyOf));
  }

  #decode({ type, flags, payload }: Message): NetworkEvent | undefined {
    const nameOf = (index: number): string | undefined => this.#present.get(index) ?? this.#gone.get(index);
    switch (type) {
      case RTM.NEWLINK:
      case RTM.DELLINK:
        return this.#link(type === RTM.NEWLINK, payload, nameOf);
      case RTM.NEWADDR:
      case RTM.DELADDR:
        return this.#address(type === RTM.NEWADDR, payload, nameOf);
      case RTM.NEWROUTE:
      case RTM.DELROUTE: {
        const raw = decodeRoute(payload);
        const route = raw && toRoute(raw, nameOf);
        if (!route) return undefined;
        if (type === RTM.DELROUTE) return { type: 'route-removed', route };
        return { type: (flags & NLM_F.REPLACE) !== 0 ? 'route-changed' : 'route-added', route };
      }
      case RTM.NEWRULE:
      case RTM.DELRULE: {
        const rule = decodeRule(payload);
        return rule && { type: type === RTM.NEWRULE ? 'rule-added' : 'rule-removed', rule };
      }
      case RTM.NEWNEIGH:
      case RTM.DELNEIGH:
        return neighbourEvent(type === RTM.NEWNEIGH, payload, nameOf);
      default:
        return undefined;
    }
  }

  #link(there: boolean, payload: Uint8Array, nameOf: (index: number) => string | undefined): NetworkEvent | undefined {
    const raw = decodeLink(payload);
    if (!raw) return undefined;
    const known = this.#present.has(raw.index);
    if (there) {
      this.#present.set(raw.index, raw.name);
    } else {
      this.#present.delete(raw.index);
      this.#remember(raw.index, raw.name);
    }
    const link = toLink(raw, nameOf);
    if (!there) return { type: 'link-removed', link };
    return { type: known ? 'link-changed' : 'link-added', link };
  }

  #remember(index: number, name: string): void {
    this.#gone.set(index, name);
    const [oldest] = this.#gone.keys();
    if (this.#gone.size > REMEMBERED && oldest !== undefined) this.#gone.delete(oldest);
  }

  #address(
    there: boolean,
    payload: Uint8Array,
    nameOf: (index: number) => string | undefined,
  ): NetworkEvent | undefined {
    const raw = decodeAddress(payload);
    if (!raw) return undefined;
    const key = keyOf(raw);
    const known = this.#known.has(key);
    if (there) this.#known.add(key);
    else this.#known.delete(key);
    const address = toAddress(raw, nameOf);
    if (!address) return undefined;
    if (!there) return { type: 'address-removed', address };
    return { type: known ? 'address-changed' : 'address-added', address };
  }
}

function keyOf({ index, address, peer }: { index: number; address: string; peer?: string }): string {
  return `${index} ${address} ${peer}`;
}

function neighbourEvent(
  there: boolean,
  payload: Uint8Array,
  nameOf: (index: number) => string | undefined,
): NetworkEvent | undefined {
  const raw = decodeNeighbour(payload);
  if (raw) {
    const neighbour = toNeighbour(raw, nameOf);
    return neighbour && { type: there ? 'neighbour-changed' : 'neighbour-removed', neighbour };
  }
  const forwarding = decodeForwardingEntry(payload);
  const entry = forwarding && toForwardingEntry(forwarding, nameOf);
  return entry && { type: there ? 'forwarding-entry-changed' : 'forwarding-entry-removed', entry };
}
