import type { NftExpression } from '../../kernel/netfilter/expression.js';
import type { Attribute } from '../netlink/reader.js';
import type { MessageWriter } from '../netlink/writer.js';

const FIB_ADDRESS_TYPE = 3;
/** Flags of NAT (include/uapi/linux/netfilter/nf_nat.h). The kernel adds flags to those of a request. */
const ADDRESS_GIVEN = 1;
const PORT_GIVEN = 2;
const RT_TCPMSS = 3;
const TCP_OPTION = 1;
const TCP_OPTION_MSS = 2;

/** Writes one NFTA_LIST_ELEM. */
export function writeExpression(writer: MessageWriter, expression: NftExpression) {
  const put = (name: string, content: () => void): void => {
    writer.nest(1, () => {
      writer.text(1, name);
      writer.nest(2, content);
    });
  };
  const data = (type: number, value: Uint8Array): void => writer.nest(type, () => writer.bytes(1, value));
  switch (expression.name) {
    case 'meta':
      return put('meta', () => {
        writer.be32(1, expression.register);
        writer.be32(2, expression.key);
      });
    case 'meta-set':
      return put('meta', () => {
        writer.be32(2, expression.key);
        writer.be32(3, expression.register);
      });
    case 'payload':
      return put('payload', () => {
        writer.be32(1, expression.register);
        writer.be32(2, expression.base);
        writer.be32(3, expression.offset);
        writer.be32(4, expression.length);
      });
    case 'cmp':
      return put('cmp', () => {
        writer.be32(1, expression.register);
        writer.be32(2, expression.operator);
        data(3, expression.data);
      });
    case 'bitwise':
      return put('bitwise', () => {
        writer.be32(1, expression.register);
        writer.be32(2, expression.register);
        writer.be32(3, expression.mask.length);
        data(4, expression.mask);
        data(5, expression.xor);
      });
    case 'immediate':
      return put('immediate', () => {
        writer.be32(1, expression.register);
        data(2, expression.data);
      });
    case 'lookup':
      return put('lookup', () => {
        writer.text(1, expression.map);
        writer.be32(2, expression.source);
        writer.be32(3, expression.register);
      });
    case 'counter':
      return put('counter', () => {
        writer.be64(1, expression.bytes);
        writer.be64(2, expression.packets);
      });
    case 'fib-type':
      return put('fib', () => {
        writer.be32(1, expression.register);
        writer.be32(2, FIB_ADDRESS_TYPE);
        writer.be32(3, expression.flags);
      });
    case 'masquerade':
      return put('masq', () => {});
    case 'nat': {
      const { type, family, address, port } = expression;
      return put('nat', () => {
        writer.be32(1, type);
        writer.be32(2, family);
        writer.be32(3, address);
        if (port === undefined) return;
        writer.be32(5, port);
        writer.be32(7, PORT_GIVEN);
      });
    }
    case 'redirect':
      return put('redir', () => {
        writer.be32(1, expression.port);
        writer.be32(3, PORT_GIVEN);
      });
    case 'path-mss':
      return put('rt', () => {
        writer.be32(1, expression.register);
        writer.be32(2, RT_TCPMSS);
      });
    case 'to-network-order':
      return put('byteorder', () => {
        writer.be32(1, expression.register);
        writer.be32(2, expression.register);
        writer.be32(3, 1);
        writer.be32(4, 2);
        writer.be32(5, 2);
      });
    case 'mss-set':
      return put('exthdr', () => {
        writer.be32(7, expression.register);
        writer.u8(2, TCP_OPTION_MSS);
        writer.be32(3, 2);
        writer.be32(4, 2);
        writer.be32(6, TCP_OPTION);
      });
    case 'other':
      throw new TypeError(`not to be written: ${expression.what}`);
  }
}

/** Reads the attributes of an expression by their number. */
class Fields {
  readonly #fields: ReadonlyMap<number, Attribute>;

  constructor(attributes: Iterable<Attribute>) {
    this.#fields = new Map(Array.from(attributes, (attribute) => [attribute.type, attribute]));
  }

  has(type: number): boolean {
    return this.#fields.has(type);
  }
  number(type: number): number {
    return this.#fields.get(type)?.be32 ?? 0;
  }
  byte(type: number): number {
    return this.#fields.get(type)?.u8 ?? 0;
  }
  long(type: number): bigint {
    return this.#fields.get(type)?.be64 ?? 0n;
  }
  text(type: number): string {
    return this.#fields.get(type)?.text ?? '';
  }
  data(type: number): Uint8Array {
    for (const attribute of this.#fields.get(type)?.nested ?? []) if (attribute.type === 1) return attribute.bytes;
    return new Uint8Array();
  }
}

/** Reads one NFTA_LIST_ELEM, or the expression of a map. */
export function readExpression(element: Iterable<Attribute>): NftExpression {
  let name = '';
  let fields = new Fields([]);
  for (const attribute of element) {
    if (attribute.type === 1) name = attribute.text;
    if (attribute.type === 2) fields = new Fields(attribute.nested);
  }
  return read(name, fields) ?? { name: 'other', what: name };
}

function read(name: string, fields: Fields): NftExpression | undefined {
  switch (name) {
    case 'meta':
      return fields.has(3)
        ? { name: 'meta-set', key: fields.number(2), register: fields.number(3) }
        : { name: 'meta', key: fields.number(2), register: fields.number(1) };
    case 'payload': {
      if (!fields.has(1)) return undefined; // it writes to the packet
      const [base, offset, length] = [fields.number(2), fields.number(3), fields.number(4)];
      return { name: 'payload', base, offset, length, register: fields.number(1) };
    }
    case 'cmp':
      return { name: 'cmp', operator: fields.number(2), register: fields.number(1), data: fields.data(3) };
    case 'bitwise':
      if (fields.number(1) !== fields.number(2) || fields.number(6) !== 0) return undefined;
      return { name: 'bitwise', register: fields.number(1), mask: fields.data(4), xor: fields.data(5) };
    case 'immediate':
      return { name: 'immediate', register: fields.number(1), data: fields.data(2) };
    case 'lookup':
      if (!fields.has(3) || fields.number(5) !== 0) return undefined;
      return { name: 'lookup', map: fields.text(1), source: fields.number(2), register: fields.number(3) };
    case 'counter':
      return { name: 'counter', packets: fields.long(2), bytes: fields.long(1) };
    case 'fib':
      if (fields.number(2) !== FIB_ADDRESS_TYPE) return undefined;
      return { name: 'fib-type', flags: fields.number(3), register: fields.number(1) };
    case 'masq':
      return fields.number(1) === 0 && !fields.has(2) && !fields.has(3) ? { name: 'masquerade' } : undefined;
    case 'nat': {
      // The kernel reports the lowest address and port as the highest, too (nft_nat_dump).
      if (fields.has(4) && fields.number(4) !== fields.number(3)) return undefined;
      if (fields.has(6) && fields.number(6) !== fields.number(5)) return undefined;
      if ((fields.number(7) & ~(ADDRESS_GIVEN | PORT_GIVEN)) !== 0) return undefined;
      const nat = { name: 'nat', type: fields.number(1), family: fields.number(2), address: fields.number(3) } as const;
      return fields.has(5) ? { ...nat, port: fields.number(5) } : nat;
    }
    case 'redir':
      if (fields.has(2) && fields.number(2) !== fields.number(1)) return undefined;
      return (fields.number(3) & ~PORT_GIVEN) === 0 ? { name: 'redirect', port: fields.number(1) } : undefined;
    case 'rt':
      return fields.number(2) === RT_TCPMSS ? { name: 'path-mss', register: fields.number(1) } : undefined;
    case 'byteorder':
      if (fields.number(1) !== fields.number(2) || fields.number(3) !== 1 || fields.number(4) !== 2) return undefined;
      return { name: 'to-network-order', register: fields.number(1) };
    case 'exthdr': {
      const mss = fields.byte(2) === TCP_OPTION_MSS && fields.number(3) === 2 && fields.number(4) === 2;
      if (!mss || fields.number(6) !== TCP_OPTION || !fields.has(7)) return undefined;
      return { name: 'mss-set', register: fields.number(7) };
    }
    default:
      return undefined;
  }
}
