import { baseChain, chainNamed, chainText, mapNamed, mapText } from '../../kernel/netfilter/names.js';
import { counterOf, readRule, ruleExpressions } from '../../kernel/netfilter/rules.js';
import type {
  NftChainEntry,
  NftChainName,
  NftMapElement,
  NftMapEntry,
  NftMapKey,
  NftMapName,
  NftRuleEntry,
  NftTableChange,
} from '../../kernel/netfilter/types.js';
import { type Message, readAttributes } from '../netlink/reader.js';
import { type Messages, MessageWriter, NLM_F } from '../netlink/writer.js';
import {
  NFTA_CHAIN,
  NFTA_DATA_VALUE,
  NFTA_EXPR,
  NFTA_HOOK,
  NFTA_LIST_ELEM,
  NFTA_RULE,
  NFTA_SET,
  NFTA_SET_ELEM,
  NFTA_SET_ELEM_LIST,
  NFTA_TABLE,
} from './attributes.js';
import { readExpression, writeExpression } from './expressions.js';
import { keyBytes, keyLayouts, readElement, TYPE_MARK } from './maps.js';

/** Message types (enum nf_tables_msg_types) of nfnetlink's subsystem 10. */
export const NFT_MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
} as const;

/** Constants of include/uapi/linux/netfilter/nfnetlink.h. */
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
export const NFPROTO_INET = 1;
/** Size of struct nfgenmsg, in bytes. */
export const GENMSG = 4;
const NF_ACCEPT = 1;
/** Type of the comment in a table's user data (NFTNL_UDATA_TABLE_COMMENT of libnftnl). */
const UDATA_COMMENT = 0;
const NFT_SET_MAP = 8;
/** Length of a mark, the data of a map, in bytes. */
const MARK_LENGTH = 4;
/** Attribute of the start of a batch: the generation that it is for (include/uapi/linux/netfilter/nfnetlink.h). */
const NFNL_BATCH_GENID = 1;
/**
 * User data of a map, which nft needs to print it: keys have network byte order (2), marks have host byte order (1).
 * Each part is a type, a length and a number (NFTNL_UDATA_SET_KEYBYTEORDER, ..._DATABYTEORDER of libnftnl).
 */
const mapUserData = Uint8Array.from([0, 4, 2, 0, 0, 0, 1, 4, 1, 0, 0, 0]);

function genmsg(family: number, resource = 0): Uint8Array {
  return Uint8Array.from([family, 0, resource >> 8, resource & 0xff]);
}

const inet = genmsg(NFPROTO_INET);

export function typeOf(message: Message): number {
  return message.type & 0xff;
}

/** Returns a request that reads: one object or, as a dump, a list. */
export function question(type: number, flags: number, content: (writer: MessageWriter) => void = () => {}): Messages {
  const writer = new MessageWriter();
  writer.message((NFNL_SUBSYS_NFTABLES << 8) | type, NLM_F.REQUEST | flags, () => {
    writer.fixed(type === NFT_MSG.GETGEN ? genmsg(0) : inet);
    content(writer);
  });
  return writer.take();
}

function writeChange(writer: MessageWriter, table: string, change: NftTableChange, ack: number) {
  const message = (type: number, flags: number, content: () => void): void =>
    writer.message((NFNL_SUBSYS_NFTABLES << 8) | type, NLM_F.REQUEST | flags | ack, () => {
      writer.fixed(inet);
      writer.text(NFTA_TABLE.NAME, table); // the first attribute of all messages of the subsystem
      content();
    });
  const create = NLM_F.CREATE | NLM_F.EXCL;
  switch (change.change) {
    case 'add-table':
      return message(NFT_MSG.NEWTABLE, create, () => {
        writer.be32(NFTA_TABLE.FLAGS, 0);
        const comment = Buffer.from(`${change.comment}\0`);
        writer.bytes(NFTA_TABLE.USERDATA, Uint8Array.from([UDATA_COMMENT, comment.length, ...comment]));
      });
    case 'delete-table':
      return message(NFT_MSG.DELTABLE, 0, () => {});
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
    case 'add-element':
      return message(NFT_MSG.NEWSETELEM, create, () =>
        writeElement(writer, change.map, change.element, change.element.mark),
      );
    case 'delete-element':
      return message(NFT_MSG.DELSETELEM, 0, () => writeElement(writer, change.map, change.key));
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
  const { type, length } = keyLayouts[map.shape];
  writer.text(NFTA_SET.NAME, mapText(map));
  writer.be32(NFTA_SET.FLAGS, NFT_SET_MAP);
  writer.be32(NFTA_SET.KEY_TYPE, type);
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

export function writeElement(writer: MessageWriter, map: NftMapName, key: NftMapKey, mark?: number): void {
  writer.text(NFTA_SET_ELEM_LIST.SET, mapText(map));
  writer.nest(NFTA_SET_ELEM_LIST.ELEMENTS, () => {
    writer.nest(NFTA_LIST_ELEM, () => {
      writer.nest(NFTA_SET_ELEM.KEY, () => writer.bytes(NFTA_DATA_VALUE, keyBytes(map.shape, key)));
      if (mark !== undefined) writer.nest(NFTA_SET_ELEM.DATA, () => writer.u32(NFTA_DATA_VALUE, mark));
    });
  });
}

/**
 * Returns all changes as one batch. With a generation, the kernel rejects it (ERESTART, for its first message) if
 * the rules have changed since. The kernel acknowledges only the last change, and reports errors for all.
 */
export function batch(table: string, changes: readonly NftTableChange[], generation?: number): Messages {
  const writer = new MessageWriter();
  writer.message(NFNL_MSG_BATCH_BEGIN, NLM_F.REQUEST, () => {
    writer.fixed(genmsg(0, NFNL_SUBSYS_NFTABLES));
    if (generation !== undefined) writer.be32(NFNL_BATCH_GENID, generation);
  });
  changes.forEach((change, index) => {
    writeChange(writer, table, change, index === changes.length - 1 ? NLM_F.ACK : 0);
  });
  writer.message(NFNL_MSG_BATCH_END, NLM_F.REQUEST, () => writer.fixed(genmsg(0, NFNL_SUBSYS_NFTABLES)));
  return writer.take();
}

/** Returns the attributes of a message by their number. */
export function attributesOf(message: Message) {
  return new Map(Array.from(readAttributes(message.payload, GENMSG), (attribute) => [attribute.type, attribute]));
}

/** Returns the comment in a table's user data, which is a sequence of types, lengths and values. */
export function commentOf(userData: Uint8Array | undefined): string | undefined {
  for (let at = 0; userData && at + 2 <= userData.length; ) {
    const length = userData[at + 1] ?? 0;
    const value = userData.subarray(at + 2, at + 2 + length);
    if (userData[at] === UDATA_COMMENT) return Buffer.from(value).toString('utf8').replace(/\0.*$/s, '');
    at += 2 + length;
  }
  return undefined;
}

/** Reads a chain without its rules. Returns `undefined` for a name that this library does not use. */
export function readChain(message: Message): NftChainEntry | undefined {
  const attributes = attributesOf(message);
  const name = chainNamed(attributes.get(NFTA_CHAIN.NAME)?.text ?? '');
  if (!name) return undefined;
  const expected = baseChain(name);
  const hook = new Map(
    Array.from(attributes.get(NFTA_CHAIN.HOOK)?.nested ?? [], (attribute) => [attribute.type, attribute]),
  );
  const intact =
    attributes.get(NFTA_CHAIN.TYPE)?.text === expected.type &&
    hook.get(NFTA_HOOK.HOOKNUM)?.be32 === expected.hook &&
    hook.get(NFTA_HOOK.PRIORITY)?.be32 === expected.priority >>> 0 &&
    (attributes.get(NFTA_CHAIN.POLICY)?.be32 ?? NF_ACCEPT) === NF_ACCEPT;
  return { name, intact, rules: [] };
}

export function readMap(message: Message): NftMapEntry | undefined {
  const attributes = attributesOf(message);
  const name = mapNamed(attributes.get(NFTA_SET.NAME)?.text ?? '');
  if (!name) return undefined;
  const { length } = keyLayouts[name.shape];
  const counted = Array.from(attributes.get(NFTA_SET.EXPR)?.nested ?? []).some(
    ({ type, text }) => type === NFTA_EXPR.NAME && text === 'counter',
  );
  const intact =
    attributes.get(NFTA_SET.FLAGS)?.be32 === NFT_SET_MAP &&
    attributes.get(NFTA_SET.KEY_LEN)?.be32 === length &&
    attributes.get(NFTA_SET.DATA_LEN)?.be32 === MARK_LENGTH &&
    counted;
  return { name, intact };
}

/** Reads a rule and the name of its chain. */
export function readRuleEntry(message: Message): NftRuleEntry & { readonly chain: string } {
  const attributes = attributesOf(message);
  const chain = attributes.get(NFTA_RULE.CHAIN)?.text ?? '';
  const handle = attributes.get(NFTA_RULE.HANDLE)?.be64 ?? 0n;
  const expressions = Array.from(attributes.get(NFTA_RULE.EXPRESSIONS)?.nested ?? [], ({ nested }) =>
    readExpression(nested),
  );
  const name = chainNamed(chain);
  const rule = name && readRule(name.hook, expressions);
  const counter = counterOf(expressions);
  return { chain, handle, ...(rule && { rule }), ...(counter && { counter }) };
}

/** Yields the elements of one message of a dump; `undefined` for an element that this library does not write. */
export function* readElements(
  message: Message,
  map: NftMapName,
): Generator<NonNullable<NftMapEntry['elements']>[number] | undefined> {
  for (const list of attributesOf(message).get(NFTA_SET_ELEM_LIST.ELEMENTS)?.nested ?? []) {
    let key = new Uint8Array();
    let mark = 0;
    let counter: ReturnType<typeof counterOf>;
    for (const attribute of list.nested) {
      if (attribute.type === NFTA_SET_ELEM.KEY) for (const value of attribute.nested) key = new Uint8Array(value.bytes);
      if (attribute.type === NFTA_SET_ELEM.DATA) for (const value of attribute.nested) mark = value.u32;
      if (attribute.type === NFTA_SET_ELEM.EXPR) counter = counterOf([readExpression(attribute.nested)]);
    }
    const element: NftMapElement | undefined = readElement(map.shape, key, mark);
    yield element && { ...element, ...(counter && { counter }) };
  }
}
