/** First register of 16 bytes, of four. Its parts are also the registers 8 to 11 of 4 bytes (enum nft_registers). */
export const REGISTER = 1;

/** Keys of `meta` (enum nft_meta_keys). */
export const META = { mark: 3, inputInterface: 6, outputInterface: 7, family: 15, protocol: 16 } as const;
/** Headers that `payload` reads from (enum nft_payload_bases). */
export const NETWORK_HEADER = 1;
export const TRANSPORT_HEADER = 2;
/** Operators of `cmp` (enum nft_cmp_ops). */
export const CMP = { equal: 0, notEqual: 1, atMost: 3, atLeast: 5 } as const;

/** The instructions of nf_tables that this library uses (include/uapi/linux/netfilter/nf_tables.h). */
export type NftExpression =
  | { readonly name: 'meta'; readonly key: number; readonly register: number }
  | { readonly name: 'meta-set'; readonly key: number; readonly register: number }
  | {
      readonly name: 'payload';
      readonly base: number;
      readonly offset: number;
      readonly length: number;
      readonly register: number;
    }
  | { readonly name: 'cmp'; readonly operator: number; readonly register: number; readonly data: Uint8Array }
  | { readonly name: 'bitwise'; readonly register: number; readonly mask: Uint8Array; readonly xor: Uint8Array }
  | { readonly name: 'immediate'; readonly register: number; readonly data: Uint8Array }
  | { readonly name: 'lookup'; readonly map: string; readonly source: number; readonly register: number }
  | { readonly name: 'counter'; readonly packets: bigint; readonly bytes: bigint }
  | { readonly name: 'fib-type'; readonly flags: number; readonly register: number }
  | { readonly name: 'masquerade' }
  | {
      readonly name: 'nat';
      readonly type: number;
      readonly family: number;
      readonly address: number;
      readonly port?: number;
    }
  | { readonly name: 'redirect'; readonly port: number }
  | { readonly name: 'path-mss'; readonly register: number }
  | { readonly name: 'to-network-order'; readonly register: number }
  | { readonly name: 'mss-set'; readonly register: number }
  /** An instruction that this library does not use. */
  | { readonly name: 'other'; readonly what: string };
