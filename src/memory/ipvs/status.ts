/** Default load factors: 2^3 buckets per service, 2^4 per connection (`svc_lfactor`, `conn_lfactor`). */
const SERVICE_FACTOR = -3;
const CONNECTION_FACTOR = -4;
const LEAST_SERVICE_BUCKETS = 16;
const LEAST_CONNECTION_BUCKETS = 256;

/**
 * Returns the text of /proc/net/ip_vs_status in Linux 7.3. The kernel creates the tables with the first service.
 * Every entry has its own bucket; the hash of the real kernel cannot guarantee that.
 */
export function statusText(services: number, connections: number, hasBegun: boolean): string {
  const bits = (entries: number, factor: number, least: number): number =>
    hasBegun ? Math.ceil(Math.log2(Math.max(entries * 2 ** -factor, least))) : 0;
  const table = (title: string, name: string, entries: number, factor: number, least: number): string[] => {
    const power = bits(entries, factor, least);
    const size = hasBegun ? 2 ** power : 0;
    const empty = size - entries;
    return [
      `${title}:\t${entries}`,
      `${name} buckets:\t${size} (${power} bits, lfactor ${hasBegun ? factor : 0})`,
      ...(entries === 0
        ? []
        : [
            `${name} buckets empty:\t${empty} (${Math.floor((empty * 100) / size)}%)`,
            `${name} buckets len-1:\t${entries} (100%)`,
          ]),
    ];
  };
  return [
    ...table('Conns', 'Conn', connections, CONNECTION_FACTOR, LEAST_CONNECTION_BUCKETS),
    ...table('Services', 'Service', services, SERVICE_FACTOR, LEAST_SERVICE_BUCKETS),
    `Stats thread slots:\t1 (max ${hasBegun ? 8 : 0})`,
    `Stats chain max len:\t${hasBegun ? 143 : 0}`,
    `Stats thread ests:\t${hasBegun ? 343200 : 0}`,
    '',
  ].join('\n');
}
