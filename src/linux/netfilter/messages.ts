import { keyLayouts } from '../../kernel/netfilter/elements.js';
import type { NftExpression } from '../../kernel/netfilter/expression.js';
import { baseChain, chainNamed, mapNamed } from '../../kernel/netfilter/names.js';
import { counterOf, readRule } from '../../kernel/netfilter/rules.js';
import type {
  NftChainEntry,
  NftMapElement,
  NftMapEntry,
  NftMapName,
  NftRuleEntry,
} from '../../kernel/netfilter/types.js';
import { type Attribute, type Message, readAttributes } from '../netlink/reader.js';
import { type Messages, MessageWriter, NLM_F } from '../netlink/writer.js';
import {
  NFTA_CHAIN,
  NFTA_EXPR,
  NFTA_HOOK,
  NFTA_RULE,
  NFTA_SET,
  NFTA_SET_ELEM,
  NFTA_SET_ELEM_LIST,
} from './attributes.js';
import { readExpression } from './expressions.js';
import { readElement } from './maps.js';

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
export const NFNL_SUBSYS_NFTABLES = 10;
export const NFPROTO_INET = 1;
/** Size of struct nfgenmsg, in bytes. */
export const GENMSG = 4;
export const NF_ACCEPT = 1;
/** Type of the comment in a table's user data (NFTNL_UDATA_TABLE_COMMENT of libnftnl). */
export const UDATA_COMMENT = 0;
export const NFT_SET_MAP = 8;
/** Length of a mark, the data of a map, in bytes. */
export const MARK_LENGTH = 4;
/** Returns a struct nfgenmsg, which begins every message of nfnetlink. */
export function genmsg(family: number, resource = 0): Uint8Array {
  return Uint8Array.from([family, 0, resource >> 8, resource & 0xff]);
}

export const inet = genmsg(NFPROTO_INET);

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

/** Returns the attributes of a message by their number. */
export function attributesOf(message: Message): Map<number, Attribute> {
  const attributes = new Map<number, Attribute>();
  for (const attribute of readAttributes(message.payload, GENMSG)) attributes.set(attribute.type, attribute);
  return attributes;
}

/** Returns one attribute of a message, without reading those after it. */
export function attributeOf(message: Message, type: number): Attribute | undefined {
  for (const attribute of readAttributes(message.payload, GENMSG)) if (attribute.type === type) return attribute;
  return undefined;
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
  const expressions: NftExpression[] = [];
  for (const { nested } of attributes.get(NFTA_RULE.EXPRESSIONS)?.nested ?? [])
    expressions.push(readExpression(nested));
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
