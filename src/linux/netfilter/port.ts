import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import { countOf, type NftBatchChange } from '../../kernel/netfilter/changes.js';
import { NftElementList } from '../../kernel/netfilter/elements.js';
import { chainText, mapText } from '../../kernel/netfilter/names.js';
import { type NetfilterPort, NftChangeFailure, type NftRulesetListener } from '../../kernel/netfilter/port.js';
import type {
  NftChainEntry,
  NftMapEntry,
  NftMapKey,
  NftMapName,
  NftRulesetEvent,
  NftTableEntry,
} from '../../kernel/netfilter/types.js';
import type { Message } from '../netlink/reader.js';
import type { Listener, NetlinkSession } from '../netlink/session.js';
import { NLM_F } from '../netlink/writer.js';
import { Interfaces } from '../network/interfaces.js';
import { NFTA_CHAIN, NFTA_GEN, NFTA_SET, NFTA_SET_ELEM_LIST, NFTA_TABLE } from './attributes.js';
import { BatchWriter } from './batch.js';
import { ElementEncoder } from './elements.js';
import {
  attributeOf,
  attributesOf,
  commentOf,
  NFPROTO_INET,
  NFT_MSG,
  question,
  readChain,
  readElements,
  readMap,
  readRuleEntry,
  typeOf,
} from './messages.js';

/** Maximum number of readings of a table that changes during each of them. */
const READINGS = 20;
/** Multicast group of nf_tables (enum nfnetlink_groups). */
const NFNLGRP_NFTABLES = 7;
/** Number of the table attribute in all messages of nf_tables except those of a generation. */
const TABLE = 1;
/** Flag of a table whose chains are not registered at their hooks. */
const NFT_TABLE_F_DORMANT = 1;

/** The nf_tables of a namespace, through the addon. */
export class NativeNetfilterPort implements NetfilterPort {
  readonly #session: NetlinkSession;
  readonly #openRoute: () => Promise<NetlinkSession>;
  #route: Promise<NetlinkSession> | undefined;

  /** `openRoute` opens a session of rtnetlink in the same namespace. */
  constructor(session: NetlinkSession, openRoute: () => Promise<NetlinkSession>) {
    this.#session = session;
    this.#openRoute = openRoute;
  }

  async mainNames(names: readonly string[], options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    this.#route ??= this.#openRoute();
    let session: NetlinkSession | undefined;
    try {
      session = await this.#route;
    } catch (error) {
      this.#route = undefined;
      // The handle stays usable if the file of its namespace is deleted. Names are then compared as they are written.
      if (!(error instanceof KernelFailure) || error.errno !== Errno.ENOENT) throw error;
    }
    if (session?.cookie !== this.#session.cookie) return new Map();
    const found = await new Interfaces(session).find(names, options);
    return new Map(
      names.flatMap((name, place) => {
        const link = found[place];
        return link && 'name' in link ? [[name, link.name] as const] : [];
      }),
    );
  }

  async generation(options: CallOptions = {}): Promise<number> {
    const [message] = await this.#ask(question(NFT_MSG.GETGEN, NLM_F.ACK), options);
    if (!message) throw new KernelFailure(Errno.EBADMSG, 'no generation in the reply');
    return attributesOf(message).get(NFTA_GEN.ID)?.be32 ?? 0;
  }

  async read(
    table: string,
    { elements = false, ...options }: CallOptions & { readonly elements?: boolean | undefined } = {},
  ): Promise<NftTableEntry | undefined> {
    let generation = await this.generation(options);
    for (let reading = 0; reading < READINGS; reading++) {
      const entry = await this.#readOnce(table, generation, elements, options);
      const after = await this.generation(options);
      if (after === generation) return entry;
      generation = after;
    }
    throw new KernelFailure(Errno.EINTR, `changed during each of ${READINGS} readings`);
  }

  async markOf(table: string, map: NftMapName, key: NftMapKey, options: CallOptions = {}): Promise<number | undefined> {
    const ask = question(NFT_MSG.GETSETELEM, NLM_F.ACK, (writer) => {
      writer.text(TABLE, table);
      writer.text(NFTA_SET_ELEM_LIST.SET, mapText(map));
      const element = new ElementEncoder(new NftElementList(map, [{ ...key, mark: 0 }]), false);
      element.encode(writer.nestedWords(NFTA_SET_ELEM_LIST.ELEMENTS, element.words), 0);
    });
    const { outcomes, replies } = await this.#session.request(ask, options);
    const [outcome] = outcomes;
    if (outcome?.errno === Errno.ENOENT) return undefined;
    if (outcome && outcome.errno !== 0) throw new KernelFailure(outcome.errno, outcome.message);
    const [element] = replies.flatMap((message) => [...readElements(message, map)]);
    return element?.mark;
  }

  async commit(
    table: string,
    changes: readonly NftBatchChange[],
    { generation, ...options }: CallOptions & { readonly generation?: number | undefined } = {},
  ): Promise<void> {
    if (!changes.some((entry) => countOf(entry) > 0)) return;
    const batch = new BatchWriter(table, changes, generation);
    const failure = await this.#transact(batch, options);
    if (!failure) return;
    // An error that names no attribute does not show which element of a message is wrong. The batch that failed has
    // changed nothing, so the same batch with one element in each message fails for the same element.
    const single = new BatchWriter(table, changes, generation, 1);
    const repeated = failure.index === undefined ? await this.#transact(single, options) : failure;
    if (repeated) throw new NftChangeFailure(repeated.index ?? -1, repeated.errno, repeated.message);
  }

  /** Sends a batch. Returns its failure, without an index if the kernel does not report it. */
  async #transact(
    batch: BatchWriter,
    options: CallOptions,
  ): Promise<{ index: number | undefined; errno: number; message: string } | undefined> {
    const { failed, errno, message, attribute, lost } = await this.#session.transact(batch.pieces(), options);
    if (failed >= 0) return { index: batch.placeOf(failed, attribute), errno, message };
    return lost ? { index: -1, errno: Errno.ENOBUFS, message: '' } : undefined;
  }

  async listen(options: CallOptions = {}): Promise<NftRulesetListener> {
    return new EventReader(await this.#session.listen([NFNLGRP_NFTABLES], options));
  }

  async close(): Promise<void> {
    await this.#session.close();
    await this.#route?.then(
      (session) => session.close(),
      () => {}, // it failed to open
    );
  }

  async #ask(messages: ReturnType<typeof question>, options: CallOptions): Promise<readonly Message[]> {
    const { outcomes, replies } = await this.#session.request(messages, options);
    const [outcome] = outcomes;
    if (outcome && outcome.errno !== 0) throw new KernelFailure(outcome.errno, outcome.message);
    return replies;
  }

  async #readOnce(
    table: string,
    generation: number,
    withElements: boolean,
    options: CallOptions,
  ): Promise<NftTableEntry | undefined> {
    const found = await this.#table(table, options);
    if (!found) return undefined;
    const dump = async (type: number): Promise<readonly Message[]> => {
      const messages = await this.#session.dump(
        question(type, NLM_F.DUMP, (writer) => writer.text(TABLE, table)),
        options,
      );
      // Some kernels ignore the table in the request.
      return messages.filter((message) => attributeOf(message, TABLE)?.text === table);
    };
    const chainMessages = await dump(NFT_MSG.GETCHAIN);
    const rules = (await dump(NFT_MSG.GETRULE)).map(readRuleEntry);
    const setMessages = await dump(NFT_MSG.GETSET);
    const others: NftTableEntry['others'][number][] = [];
    const chains = chainMessages.flatMap((message): NftChainEntry[] => {
      const chain = readChain(message);
      if (!chain) {
        others.push({ kind: 'chain', name: attributesOf(message).get(NFTA_CHAIN.NAME)?.text ?? '' });
        return [];
      }
      const text = chainText(chain.name);
      return [{ ...chain, rules: rules.filter((rule) => rule.chain === text) }];
    });
    const maps: NftMapEntry[] = [];
    for (const message of setMessages) {
      const map = readMap(message);
      if (!map) others.push({ kind: 'set', name: attributesOf(message).get(NFTA_SET.NAME)?.text ?? '' });
      else maps.push(withElements && map.intact ? await this.#withElements(table, map, options) : map);
    }
    if (found.dormant) others.push({ kind: 'flag', name: 'dormant' });
    const { comment } = found;
    return { ...(comment !== undefined && { comment }), generation, chains, maps, others };
  }

  async #table(
    table: string,
    options: CallOptions,
  ): Promise<{ readonly comment: string | undefined; readonly dormant: boolean } | undefined> {
    try {
      const [message] = await this.#ask(
        question(NFT_MSG.GETTABLE, NLM_F.ACK, (writer) => writer.text(TABLE, table)),
        options,
      );
      const attributes = message && attributesOf(message);
      const dormant = ((attributes?.get(NFTA_TABLE.FLAGS)?.be32 ?? 0) & NFT_TABLE_F_DORMANT) !== 0;
      return { comment: commentOf(attributes?.get(NFTA_TABLE.USERDATA)?.bytes), dormant };
    } catch (error) {
      if (error instanceof KernelFailure && error.errno === Errno.ENOENT) return undefined;
      throw error;
    }
  }

  async #withElements(table: string, map: NftMapEntry, options: CallOptions): Promise<NftMapEntry> {
    const messages = await this.#session.dump(
      question(NFT_MSG.GETSETELEM, NLM_F.DUMP, (writer) => {
        writer.text(TABLE, table);
        writer.text(NFTA_SET_ELEM_LIST.SET, mapText(map.name));
      }),
      options,
    );
    const all = messages.flatMap((message) => [...readElements(message, map.name)]);
    const elements = all.filter((element) => element !== undefined);
    return { ...map, intact: elements.length === all.length, elements };
  }
}

/** Combines the messages of a commit into one event. The last message of a commit has the generation. */
class EventReader implements NftRulesetListener {
  readonly #listener: Listener;
  #tables = new Set<string>();

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  async next(signal?: AbortSignal): Promise<{ events: NftRulesetEvent[]; overrun: boolean }> {
    for (;;) {
      const { messages, overrun } = await this.#listener.next(signal);
      const events = messages.flatMap((message) => this.#read(message));
      if (events.length > 0 || overrun) return { events, overrun };
    }
  }

  close(): void {
    this.#listener.close();
  }

  #read(message: Message): NftRulesetEvent[] {
    const attributes = attributesOf(message);
    if (typeOf(message) !== NFT_MSG.NEWGEN) {
      const table = attributes.get(TABLE)?.text;
      if (table !== undefined && message.payload[0] === NFPROTO_INET) this.#tables.add(table);
      return [];
    }
    const tables = this.#tables;
    this.#tables = new Set();
    const process = {
      pid: attributes.get(NFTA_GEN.PROC_PID)?.be32 ?? 0,
      name: attributes.get(NFTA_GEN.PROC_NAME)?.text ?? '',
    };
    return [{ generation: attributes.get(NFTA_GEN.ID)?.be32 ?? 0, process, tables }];
  }
}
