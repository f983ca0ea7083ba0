/** Smallest and largest value of a number. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

const range = (least: number, most: number): Range => ({ least, most });

/** Ranges of numbers, which the checks and the schema of documents share. Both ends are part of the range. */
export const ranges = {
  /** Port of TCP, UDP or SCTP. */
  port: range(1, 0xffff),
  /** Port of a service or server; 0 for every port, or for the port of the packet. */
  anyPort: range(0, 0xffff),
  /** Mark of a packet (`nfmark`). */
  mark: range(0, 0xffffffff),
  /** Mark of an IPVS service: the kernel reads 0 as TCP 0.0.0.0:0. */
  serviceMark: range(1, 0xffffffff),
  /** Mask of a mark that is set. */
  mask: range(1, 0xffffffff),
  /** Weight of a server, an `atomic_t` of the kernel. */
  weight: range(0, 0x7fffffff),
  /** Connection threshold of a server, as Linux 7.2 limits it. */
  threshold: range(0, 0x7fffffff),
  /** Timeout of persistence in seconds, as in ipvsadm: at most 31 days. */
  persistence: range(1, 31 * 24 * 3600),
  /** Timeout of persistence that a table can hold: the kernel stores seconds times HZ (at least 100) in 32 bits. */
  heldPersistence: range(0, 42_949_672),
  /** Timeout of IPVS in seconds. The kernel stores seconds times HZ (at most 1000) in an `int`. */
  timeout: range(1, 2_147_483),
  /** Time limit of a drain in seconds: a timer of Node waits at most 2^31 - 1 milliseconds. */
  drain: range(0, 2_147_483),
  /** TCP segment size in bytes: 88 is TCP_MIN_MSS of include/net/tcp.h. */
  segmentSize: range(88, 0xffff),
  /** Number that tells synchronisation daemons of several pairs of directors apart. */
  syncId: range(0, 255),
  /** Length of a synchronisation message, in bytes. */
  syncLength: range(1, 0xffff),
  /** TTL of multicast packets. */
  ttl: range(1, 255),
  /** Routing table (RTA_TABLE). */
  table: range(1, 0xffffffff),
} as const;
