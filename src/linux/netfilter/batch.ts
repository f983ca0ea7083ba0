import { countOf, type NftBatchChange } from '../../kernel/netfilter/changes.js';
import { keyLayouts, NftElementList } from '../../kernel/netfilter/elements.js';
import { baseChain, chainText, mapText } from '../../kernel/netfilter/names.js';
import { ruleExpressions } from '../../kernel/netfilter/rules.js';
import type { NftChainName, NftMapName, NftTableChange } from '../../kernel/netfilter/types.js';
import { type Messages, MessageWriter, NLM_F } from '../netlink/writer.js';
import { NFTA_CHAIN, NFTA_EXPR, NFTA_HOOK, NFTA_RULE, NFTA_SET, NFTA_SET_ELEM_LIST, NFTA_TABLE } from './attributes.js';
import { ElementEncoder } from './elements.js';
import { writeExpression } from './expressions.js';
import { keyType, TYPE_MARK } from './maps.js';
import {
  genmsg,
  inet,
  MARK_LENGTH,
  NF_ACCEPT,
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG,
  NFT_SET_MAP,
  UDATA_COMMENT,
} from './messages.js';

/** Constants of include/uapi/linux/netfilter/nfnetlink.h. */
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
/** Attribute of the start of a batch: the generation that it is for. */
const NFNL_BATCH_GENID = 1;
/** Size from which a piece of a batch is complete, in bytes. */
const PIECE = 128 * 1024;
/**
 * User data of a map, which nft needs to print it: keys have network byte order (2), marks have host byte order (1).
 * Each part is a type, a length and a number (NFTNL_UDATA_SET_KEYBYTEORDER, ..._DATABYTEORDER of libnftnl).
 */
const mapUserData = Uint8Array.from([0, 4, 2, 0, 0, 0, 1, 4, 1, 0, 0, 0]);

/** The changes of one message of a batch. */
interface Place {
  /** Place of the first one; -1 for the start of the batch. */
  readonly first: number;
  readonly count: number;
  /** Offset of the first one in the message, and the size of each, in bytes. Only for elements. */
  readonly offset: number;
  readonly size: number;
}

/**
 * Writes changes as one batch. With a generation, the kernel rejects it (ERESTART, for its first message) if the rules
 * have changed since. The kernel acknowledges only the last change, and reports errors for all.
 */
export class BatchWriter {
  readonly #table: string;
  readonly #changes: readonly NftBatchChange[];
  readonly #generation: number | undefined;
  readonly #mostElements: number;
  readonly #places: Place[] = [];
  #count = 0;
  readonly #writer = new MessageWriter();

  /**
   * @param mostElements maximum number of elements in one message; default: what fits, as nft does. The kernel handles
   * 100,000 elements in a third less time than with a message for each.
   */
  constructor(
    table: string,
    changes: readonly NftBatchChange[],
    generation: number | undefined,
    mostElements: number = Number.POSITIVE_INFINITY,
  ) {
    this.#table = table;
    this.#changes = changes.filter((entry) => countOf(entry) > 0);
    this.#generation = generation;
    this.#mostElements = mostElements;
  }

  /** Yields the messages, in pieces of about 128 KiB. Each is valid until the next one is taken. */
  *pieces(): Generator<Messages, void, void> {
    this.#bound(NFNL_MSG_BATCH_BEGIN, -1);
    for (const [index, entry] of this.#changes.entries()) {
      const isLast = index === this.#changes.length - 1;
      if ('elements' in entry) {
        yield* this.#elements(entry.elements, entry.change === 'add-elements', isLast);
      } else if (entry.change === 'add-element') {
        yield* this.#elements(new NftElementList(entry.map, [entry.element]), true, isLast);
      } else if (entry.change === 'delete-element') {
        yield* this.#elements(new NftElementList(entry.map, [{ ...entry.key, mark: 0 }]), false, isLast);
      } else {
        writeChange(this.#writer, this.#table, entry, isLast ? NLM_F.ACK : 0);
        this.#note(1);
        yield* this.#complete();
      }
    }
    this.#bound(NFNL_MSG_BATCH_END, this.#count);
    yield this.#writer.take();
  }

  /**
   * Returns the place of the change that the kernel rejects, by the index of the message and the offset of the
   * attribute in the error (NLMSGERR_ATTR_OFFS; 0 if it has none). Returns undefined if the message has several
   * elements, and the error does not show which.
   */
  placeOf(message: number, attribute: number): number | undefined {
    const { first, count, offset, size } = this.#places[message] ?? { first: -1, count: 1, offset: 0, size: 1 };
    if (count === 1) return first;
    if (attribute === 0) return undefined;
    // An attribute before the elements, for example the name of the map, is wrong for the first one already.
    return first + Math.min(count - 1, Math.max(0, Math.floor((attribute - offset) / size)));
  }

  *#elements(list: NftElementList, add: boolean, isLast: boolean): Generator<Messages, void, void> {
    const encoder = new ElementEncoder(list, add);
    const most = Math.min(encoder.most, this.#mostElements);
    const type = add ? NFT_MSG.NEWSETELEM : NFT_MSG.DELSETELEM;
    const flags = add ? NLM_F.CREATE | NLM_F.EXCL : 0;
    for (let first = 0; first < list.length; first += most) {
      const count = Math.min(most, list.length - first);
      const ack = isLast && first + count === list.length ? NLM_F.ACK : 0;
      const writer = this.#writer;
      const start = writer.size;
      writeMessage(writer, this.#table, type, flags | ack, () => {
        writer.text(NFTA_SET_ELEM_LIST.SET, mapText(list.map));
        encoder.encode(writer.nestedWords(NFTA_SET_ELEM_LIST.ELEMENTS, count * encoder.words), first);
      });
      const size = encoder.words * 4;
      this.#note(count, writer.size - start - count * size, size);
      yield* this.#complete();
    }
  }

  #note(count: number, offset = 0, size = 1): void {
    this.#places.push({ first: this.#count, count, offset, size });
    this.#count += count;
  }

  #bound(type: number, place: number): void {
    this.#places.push({ first: place, count: 1, offset: 0, size: 1 });
    this.#writer.message(type, NLM_F.REQUEST, () => {
      this.#writer.fixed(genmsg(0, NFNL_SUBSYS_NFTABLES));
      if (type === NFNL_MSG_BATCH_BEGIN && this.#generation !== undefined)
        this.#writer.be32(NFNL_BATCH_GENID, this.#generation);
    });
  }

  *#complete(): Generator<Messages, void, void> {
    if (this.#writer.size < PIECE) return;
    yield this.#writer.take();
    this.#writer.clear();
  }
}

function writeMessage(
  writer: MessageWriter,
  table: string,
  type: number,
  flags: number,
  content: () => void = () => {},
): void {
  writer.message((NFNL_SUBSYS_NFTABLES << 8) | type, NLM_F.REQUEST | flags, () => {
    writer.fixed(inet);
    writer.text(NFTA_TABLE.NAME, table); // the first attribute of all messages of the subsystem
    content();
  });
}

type StructureChange = Exclude<NftTableChange, { change: 'add-element' | 'delete-element' }>;

function writeChange(writer: MessageWriter, table: string, change: StructureChange, ack: number) {
  const message = (type: number, flags: number, content?: () => void): void =>
    writeMessage(writer, table, type, flags | ack, content);
  const create = NLM_F.CREATE | NLM_F.EXCL;
  switch (change.change) {
    case 'add-table':
      return message(NFT_MSG.NEWTABLE, create, () => {
        writer.be32(NFTA_TABLE.FLAGS, 0);
        const comment = Buffer.from(`${change.comment}\0`);
        writer.bytes(NFTA_TABLE.USERDATA, Uint8Array.from([UDATA_COMMENT, comment.length, ...comment]));
      });
    case 'delete-table':
      return message(NFT_MSG.DELTABLE, 0);
    case 'add-chain':
      return message(NFT_MSG.NEWCHAIN, create, () => writeChain(writer, change.chain));
    case 'delete-chain':
      return message(NFT_MSG.DELCHAIN, 0, () => writer.text(NFTA_CHAIN.NAME, change.name));
    case 'flush-chain':
      return message(NFT_MSG.DELRULE, 0, () => writer.text(NFTA_RULE.CHAIN, change.name));
    case 'add-map':
      return message(NFT_MSG.NEWSET, create, () => writeMap(writer, change.map));
    case 'delete-map':
      return message(NFT_MSG.DELSET, 0, () => writer.text(NFTA_SET.NAME, change.name));
    case 'add-rule':
      return message(NFT_MSG.NEWRULE, NLM_F.CREATE | (change.before === undefined ? NLM_F.APPEND : 0), () => {
        writer.text(NFTA_RULE.CHAIN, chainText(change.chain));
        writer.nest(NFTA_RULE.EXPRESSIONS, () => {
          for (const expression of ruleExpressions(change.chain.hook, change.rule, change.counter))
            writeExpression(writer, expression);
        });
        if (change.before !== undefined) writer.be64(NFTA_RULE.POSITION, change.before);
      });
    case 'delete-rule':
      return message(NFT_MSG.DELRULE, 0, () => {
        writer.text(NFTA_RULE.CHAIN, change.chain);
        writer.be64(NFTA_RULE.HANDLE, change.handle);
      });
  }
}

function writeChain(writer: MessageWriter, chain: NftChainName): void {
  const { type, hook, priority } = baseChain(chain);
  writer.text(NFTA_CHAIN.NAME, chainText(chain));
  writer.nest(NFTA_CHAIN.HOOK, () => {
    writer.be32(NFTA_HOOK.HOOKNUM, hook);
    writer.be32(NFTA_HOOK.PRIORITY, priority >>> 0);
  });
  writer.be32(NFTA_CHAIN.POLICY, NF_ACCEPT);
  writer.text(NFTA_CHAIN.TYPE, type);
}

function writeMap(writer: MessageWriter, map: NftMapName): void {
  const { length } = keyLayouts[map.shape];
  writer.text(NFTA_SET.NAME, mapText(map));
  writer.be32(NFTA_SET.FLAGS, NFT_SET_MAP);
  writer.be32(NFTA_SET.KEY_TYPE, keyType(map.shape));
  writer.be32(NFTA_SET.KEY_LEN, length);
  writer.be32(NFTA_SET.DATA_TYPE, TYPE_MARK);
  writer.be32(NFTA_SET.DATA_LEN, MARK_LENGTH);
  // Only rules that refer to a set by its id need the id, but the kernel requires it (nf_tables_newset).
  writer.be32(NFTA_SET.ID, 1);
  writer.bytes(NFTA_SET.USERDATA, mapUserData);
  // Gives each new element its own counter.
  writer.nest(NFTA_SET.EXPR, () => {
    writer.text(NFTA_EXPR.NAME, 'counter');
    writer.nest(NFTA_EXPR.DATA, () => {});
  });
}
