import type { NftExpression } from '../../kernel/netfilter/expression.js';
import type { Attribute } from '../netlink/reader.js';
import type { MessageWriter } from '../netlink/writer.js';
import {
  NFTA_BITWISE,
  NFTA_BYTEORDER,
  NFTA_CMP,
  NFTA_COUNTER,
  NFTA_DATA_VALUE,
  NFTA_EXPR,
  NFTA_EXTHDR,
  NFTA_FIB,
  NFTA_IMMEDIATE,
  NFTA_LIST_ELEM,
  NFTA_LOOKUP,
  NFTA_MASQ,
  NFTA_META,
  NFTA_NAT,
  NFTA_PAYLOAD,
  NFTA_REDIR,
  NFTA_RT,
} from './attributes.js';

const NFT_FIB_RESULT_ADDRTYPE = 3;
/** Flags of NAT (include/uapi/linux/netfilter/nf_nat.h). The kernel adds flags to those of a request. */
const NF_NAT_RANGE_MAP_IPS = 1;
const NF_NAT_RANGE_PROTO_SPECIFIED = 2;
const NFT_RT_TCPMSS = 3;
const NFT_BYTEORDER_HTON = 1;
const NFT_EXTHDR_OP_TCPOPT = 1;
/** Kind of the TCP option for the maximum segment size (include/net/tcp.h), and the place of its value, in bytes. */
const TCPOPT_MSS = 2;
const MSS = { offset: 2, length: 2 } as const;

/** Writes one NFTA_LIST_ELEM. */
export function writeExpression(writer: MessageWriter, expression: NftExpression) {
  const put = (name: string, content: () => void): void => {
    writer.nest(NFTA_LIST_ELEM, () => {
      writer.text(NFTA_EXPR.NAME, name);
      writer.nest(NFTA_EXPR.DATA, content);
    });
  };
  const data = (type: number, value: Uint8Array): void => writer.nest(type, () => writer.bytes(NFTA_DATA_VALUE, value));
  switch (expression.name) {
    case 'meta':
      return put('meta', () => {
        writer.be32(NFTA_META.DREG, expression.register);
        writer.be32(NFTA_META.KEY, expression.key);
      });
    case 'meta-set':
      return put('meta', () => {
        writer.be32(NFTA_META.KEY, expression.key);
        writer.be32(NFTA_META.SREG, expression.register);
      });
    case 'payload':
      return put('payload', () => {
        writer.be32(NFTA_PAYLOAD.DREG, expression.register);
        writer.be32(NFTA_PAYLOAD.BASE, expression.base);
        writer.be32(NFTA_PAYLOAD.OFFSET, expression.offset);
        writer.be32(NFTA_PAYLOAD.LEN, expression.length);
      });
    case 'cmp':
      return put('cmp', () => {
        writer.be32(NFTA_CMP.SREG, expression.register);
        writer.be32(NFTA_CMP.OP, expression.operator);
        data(NFTA_CMP.DATA, expression.data);
      });
    case 'bitwise':
      return put('bitwise', () => {
        writer.be32(NFTA_BITWISE.SREG, expression.register);
        writer.be32(NFTA_BITWISE.DREG, expression.register);
        writer.be32(NFTA_BITWISE.LEN, expression.mask.length);
        data(NFTA_BITWISE.MASK, expression.mask);
        data(NFTA_BITWISE.XOR, expression.xor);
      });
    case 'immediate':
      return put('immediate', () => {
        writer.be32(NFTA_IMMEDIATE.DREG, expression.register);
        data(NFTA_IMMEDIATE.DATA, expression.data);
      });
    case 'lookup':
      return put('lookup', () => {
        writer.text(NFTA_LOOKUP.SET, expression.map);
        writer.be32(NFTA_LOOKUP.SREG, expression.source);
        writer.be32(NFTA_LOOKUP.DREG, expression.register);
      });
    case 'counter':
      return put('counter', () => {
        writer.be64(NFTA_COUNTER.BYTES, expression.bytes);
        writer.be64(NFTA_COUNTER.PACKETS, expression.packets);
      });
    case 'fib-type':
      return put('fib', () => {
        writer.be32(NFTA_FIB.DREG, expression.register);
        writer.be32(NFTA_FIB.RESULT, NFT_FIB_RESULT_ADDRTYPE);
        writer.be32(NFTA_FIB.FLAGS, expression.flags);
      });
    case 'masquerade':
      return put('masq', () => {});
    case 'nat': {
      const { type, family, address, port } = expression;
      return put('nat', () => {
        writer.be32(NFTA_NAT.TYPE, type);
        writer.be32(NFTA_NAT.FAMILY, family);
        writer.be32(NFTA_NAT.REG_ADDR_MIN, address);
        if (port === undefined) return;
        writer.be32(NFTA_NAT.REG_PROTO_MIN, port);
        writer.be32(NFTA_NAT.FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
      });
    }
    case 'redirect':
      return put('redir', () => {
        writer.be32(NFTA_REDIR.REG_PROTO_MIN, expression.port);
        writer.be32(NFTA_REDIR.FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
      });
    case 'path-mss':
      return put('rt', () => {
        writer.be32(NFTA_RT.DREG, expression.register);
        writer.be32(NFTA_RT.KEY, NFT_RT_TCPMSS);
      });
    case 'to-network-order':
      return put('byteorder', () => {
        writer.be32(NFTA_BYTEORDER.SREG, expression.register);
        writer.be32(NFTA_BYTEORDER.DREG, expression.register);
        writer.be32(NFTA_BYTEORDER.OP, NFT_BYTEORDER_HTON);
        writer.be32(NFTA_BYTEORDER.LEN, MSS.length);
        writer.be32(NFTA_BYTEORDER.SIZE, MSS.length);
      });
    case 'mss-set':
      return put('exthdr', () => {
        writer.be32(NFTA_EXTHDR.SREG, expression.register);
        writer.u8(NFTA_EXTHDR.TYPE, TCPOPT_MSS);
        writer.be32(NFTA_EXTHDR.OFFSET, MSS.offset);
        writer.be32(NFTA_EXTHDR.LEN, MSS.length);
        writer.be32(NFTA_EXTHDR.OP, NFT_EXTHDR_OP_TCPOPT);
      });
    case 'other':
      throw new TypeError(`not to be written: ${expression.what}`);
  }
}

/** Number above those of all attributes that this library reads. */
const MOST_FIELDS = 16;

/** Reads the attributes of an expression by their number. */
class Fields {
  readonly #fields: (Attribute | undefined)[] = [];

  constructor(attributes: Iterable<Attribute>) {
    for (const attribute of attributes) if (attribute.type < MOST_FIELDS) this.#fields[attribute.type] = attribute;
  }

  has(type: number): boolean {
    return this.#fields[type] !== undefined;
  }
  number(type: number): number {
    return this.#fields[type]?.be32 ?? 0;
  }
  byte(type: number): number {
    return this.#fields[type]?.u8 ?? 0;
  }
  long(type: number): bigint {
    return this.#fields[type]?.be64 ?? 0n;
  }
  text(type: number): string {
    return this.#fields[type]?.text ?? '';
  }
  data(type: number): Uint8Array {
    for (const attribute of this.#fields[type]?.nested ?? [])
      if (attribute.type === NFTA_DATA_VALUE) return attribute.bytes;
    return new Uint8Array();
  }
}

const noFields = new Fields([]);

/** Reads one NFTA_LIST_ELEM, or the expression of a map. */
export function readExpression(element: Iterable<Attribute>): NftExpression {
  let name = '';
  let fields = noFields;
  for (const attribute of element) {
    if (attribute.type === NFTA_EXPR.NAME) name = attribute.text;
    if (attribute.type === NFTA_EXPR.DATA) fields = new Fields(attribute.nested);
  }
  return read(name, fields) ?? { name: 'other', what: name };
}

function read(name: string, fields: Fields): NftExpression | undefined {
  switch (name) {
    case 'meta':
      return fields.has(NFTA_META.SREG)
        ? { name: 'meta-set', key: fields.number(NFTA_META.KEY), register: fields.number(NFTA_META.SREG) }
        : { name: 'meta', key: fields.number(NFTA_META.KEY), register: fields.number(NFTA_META.DREG) };
    case 'payload': {
      if (!fields.has(NFTA_PAYLOAD.DREG)) return undefined; // it writes to the packet
      const [base, offset, length] = [
        fields.number(NFTA_PAYLOAD.BASE),
        fields.number(NFTA_PAYLOAD.OFFSET),
        fields.number(NFTA_PAYLOAD.LEN),
      ];
      return { name: 'payload', base, offset, length, register: fields.number(NFTA_PAYLOAD.DREG) };
    }
    case 'cmp':
      return {
        name: 'cmp',
        operator: fields.number(NFTA_CMP.OP),
        register: fields.number(NFTA_CMP.SREG),
        data: fields.data(NFTA_CMP.DATA),
      };
    case 'bitwise':
      if (fields.number(NFTA_BITWISE.SREG) !== fields.number(NFTA_BITWISE.DREG) || fields.number(NFTA_BITWISE.OP) !== 0)
        return undefined;
      return {
        name: 'bitwise',
        register: fields.number(NFTA_BITWISE.SREG),
        mask: fields.data(NFTA_BITWISE.MASK),
        xor: fields.data(NFTA_BITWISE.XOR),
      };
    case 'immediate':
      return {
        name: 'immediate',
        register: fields.number(NFTA_IMMEDIATE.DREG),
        data: fields.data(NFTA_IMMEDIATE.DATA),
      };
    case 'lookup':
      if (!fields.has(NFTA_LOOKUP.DREG) || fields.number(NFTA_LOOKUP.FLAGS) !== 0) return undefined;
      return {
        name: 'lookup',
        map: fields.text(NFTA_LOOKUP.SET),
        source: fields.number(NFTA_LOOKUP.SREG),
        register: fields.number(NFTA_LOOKUP.DREG),
      };
    case 'counter':
      return { name: 'counter', packets: fields.long(NFTA_COUNTER.PACKETS), bytes: fields.long(NFTA_COUNTER.BYTES) };
    case 'fib':
      if (fields.number(NFTA_FIB.RESULT) !== NFT_FIB_RESULT_ADDRTYPE) return undefined;
      return { name: 'fib-type', flags: fields.number(NFTA_FIB.FLAGS), register: fields.number(NFTA_FIB.DREG) };
    case 'masq':
      return fields.number(NFTA_MASQ.FLAGS) === 0 &&
        !fields.has(NFTA_MASQ.REG_PROTO_MIN) &&
        !fields.has(NFTA_MASQ.REG_PROTO_MAX)
        ? { name: 'masquerade' }
        : undefined;
    case 'nat': {
      // The kernel reports the lowest address and port as the highest, too (nft_nat_dump).
      if (
        fields.has(NFTA_NAT.REG_ADDR_MAX) &&
        fields.number(NFTA_NAT.REG_ADDR_MAX) !== fields.number(NFTA_NAT.REG_ADDR_MIN)
      )
        return undefined;
      if (
        fields.has(NFTA_NAT.REG_PROTO_MAX) &&
        fields.number(NFTA_NAT.REG_PROTO_MAX) !== fields.number(NFTA_NAT.REG_PROTO_MIN)
      )
        return undefined;
      if ((fields.number(NFTA_NAT.FLAGS) & ~(NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED)) !== 0)
        return undefined;
      const nat = {
        name: 'nat',
        type: fields.number(NFTA_NAT.TYPE),
        family: fields.number(NFTA_NAT.FAMILY),
        address: fields.number(NFTA_NAT.REG_ADDR_MIN),
      } as const;
      return fields.has(NFTA_NAT.REG_PROTO_MIN) ? { ...nat, port: fields.number(NFTA_NAT.REG_PROTO_MIN) } : nat;
    }
    case 'redir':
      if (
        fields.has(NFTA_REDIR.REG_PROTO_MAX) &&
        fields.number(NFTA_REDIR.REG_PROTO_MAX) !== fields.number(NFTA_REDIR.REG_PROTO_MIN)
      )
        return undefined;
      return (fields.number(NFTA_REDIR.FLAGS) & ~NF_NAT_RANGE_PROTO_SPECIFIED) === 0
        ? { name: 'redirect', port: fields.number(NFTA_REDIR.REG_PROTO_MIN) }
        : undefined;
    case 'rt':
      return fields.number(NFTA_RT.KEY) === NFT_RT_TCPMSS
        ? { name: 'path-mss', register: fields.number(NFTA_RT.DREG) }
        : undefined;
    case 'byteorder':
      if (
        fields.number(NFTA_BYTEORDER.SREG) !== fields.number(NFTA_BYTEORDER.DREG) ||
        fields.number(NFTA_BYTEORDER.OP) !== NFT_BYTEORDER_HTON ||
        fields.number(NFTA_BYTEORDER.LEN) !== MSS.length
      )
        return undefined;
      return { name: 'to-network-order', register: fields.number(NFTA_BYTEORDER.SREG) };
    case 'exthdr': {
      const mss =
        fields.byte(NFTA_EXTHDR.TYPE) === TCPOPT_MSS &&
        fields.number(NFTA_EXTHDR.OFFSET) === MSS.offset &&
        fields.number(NFTA_EXTHDR.LEN) === MSS.length;
      if (!mss || fields.number(NFTA_EXTHDR.OP) !== NFT_EXTHDR_OP_TCPOPT || !fields.has(NFTA_EXTHDR.SREG))
        return undefined;
      return { name: 'mss-set', register: fields.number(NFTA_EXTHDR.SREG) };
    }
    default:
      return undefined;
  }
}
