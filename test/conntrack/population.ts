// A table with some of everything: made by packets and by creation, in zones, translated, marked.
import type { FlowOptions, TupleOptions } from '../../src/index.js';
import { addresses, type Network } from './world.js';

export const ports = [5000, 5001, 5002, 5003, 5004, 8080];

const [server] = addresses.servers;
const { virtual, router } = addresses;

/** Tracks what passes, and labels, marks, translates and puts into zones some of it. */
export const rules = `
add table inet test
delete table inet test
table inet test {
  chain zones {
    type filter hook prerouting priority raw;
    udp dport 5002 ct zone set 7
    udp sport 5002 ct zone set 7
    udp dport 5003 ct original zone set 8
  }
  chain marks {
    type filter hook forward priority mangle;
    udp dport 5000 ct mark set 0x11
    udp dport 5001 ct label set 100
    tcp dport 8080 ct state new ct mark set 0x22 ct label set 3
  }
  chain destinations {
    type nat hook prerouting priority dstnat;
    ip daddr ${virtual.ipv4} udp dport 53 dnat ip to ${server.ipv4}:5000
    ip6 daddr ${virtual.ipv6} tcp dport 80 dnat ip6 to [${server.ipv6}]:8080
  }
  chain sources {
    type nat hook postrouting priority srcnat;
    udp dport 5004 ip version 4 snat ip to ${router.ipv4}
  }
}`;

function tuple(protocol: TupleOptions['protocol'], number: number, six = false): TupleOptions {
  const source = six ? `fd20::${number}` : `10.20.0.${number}`;
  const destination = six ? 'fd30::1' : '10.30.0.1';
  if (protocol === 'icmp' || protocol === 'icmpv6')
    return { protocol, source, destination, icmp: { type: six ? 128 : 8, code: 0, id: number } };
  if (typeof protocol === 'number') return { protocol, source, destination };
  return { protocol, source, destination, sourcePort: 1000 + number, destinationPort: 80 };
}

function inReply(protocol: 'tcp', number: number): TupleOptions {
  const { source, destination, sourcePort, destinationPort } = tuple(protocol, number);
  return {
    protocol,
    source: destination,
    destination: source,
    sourcePort: destinationPort,
    destinationPort: sourcePort,
  };
}

/** What can be created without packets. */
export function created(): FlowOptions[] {
  const flow = (options: Partial<FlowOptions> & Pick<FlowOptions, 'original'>): FlowOptions => ({
    timeout: 3600,
    ...options,
  });
  const answered = ['seen-reply', 'assured'] as const;
  return [
    flow({ original: tuple('tcp', 1), mark: 0x101, status: answered }),
    flow({ original: tuple('tcp', 2), state: 'SYN_SENT', mark: 0x201 }),
    flow({ original: tuple('tcp', 3, true), state: 'TIME_WAIT', status: answered, labels: [0, 31, 32, 127] }),
    flow({ original: tuple('udp', 4), zone: 9, mark: 0xffffffff }),
    flow({ original: tuple('udp', 4), zone: 65535 }),
    flow({ original: tuple('udp', 4, true), zone: 9, status: ['seen-reply'] }),
    flow({ original: tuple('udp', 5), nat: { destination: { address: '10.40.0.7', port: 8053 } } }),
    flow({
      original: tuple('tcp', 6),
      nat: { source: { address: '10.50.0.1', port: [2000, 2999] } },
      status: answered,
    }),
    flow({ original: tuple('tcp', 7, true), nat: { destination: { address: 'fd40::7' } }, mark: 0x100 }),
    flow({ original: tuple('sctp', 8), state: 'ESTABLISHED', sctp: { original: 0x01020304, reply: 0x05060708 } }),
    flow({ original: tuple('sctp', 9, true), state: 'SHUTDOWN_SENT', status: ['seen-reply'] }),
    flow({ original: { ...tuple('gre', 10), sourcePort: 0x1234, destinationPort: 0xabcd } }),
    flow({ original: tuple('icmp', 11), mark: 0x301 }),
    flow({ original: tuple('icmpv6', 12, true) }),
    flow({ original: tuple(200, 13), zone: 9 }),
    flow({ original: tuple(200, 13, true), status: ['fixed-timeout'] }),
    flow({ original: tuple('udplite', 14) }),
    flow({ original: tuple('dccp', 17) }),
    flow({ original: { ...tuple('udp', 15), zone: 21 } }),
    flow({ original: tuple('tcp', 16), reply: { ...inReply('tcp', 16), zone: 22 }, status: answered }),
    ...Array.from({ length: 20 }, (_, index) =>
      flow({ original: tuple('udp', 100 + index, index % 2 === 0), mark: index % 5, zone: index % 3 }),
    ),
  ];
}

/** SCTP INIT: ports, tag, checksum, one chunk. */
const init = '1388 1f90 00000000 00000000 01000014 00000001 00010000 00010001 00000001'.replaceAll(' ', '');
/** PPTP: version 1, a key of a payload length and a call, a sequence number. */
const pptp = '3001 880b 0000 0042 00000001'.replaceAll(' ', '');

/** Makes all of it with `network.client` and by creation. */
export async function populate(network: Network): Promise<void> {
  const { client, conntrack } = network;
  network.rules(rules);
  const places = [server.ipv4, server.ipv6];
  for (const address of places) {
    for (const port of ports) await client.ask({ kind: 'ask', address, port, from: port - 1000 });
    await client.ask({ kind: 'ask', address, port: 9, from: 3009, patience: 100 }); // nobody is there
    await client.ask({ kind: 'connect', address, port: 8080 });
  }
  await client.ask({ kind: 'ask', address: virtual.ipv4, port: 53, from: 4200 });
  await client.ask({ kind: 'connect', address: virtual.ipv6, port: 80 });
  network.send(
    `${server.ipv4} 1 0800f7d600290000`,
    `${server.ipv6} 58 8000000000290000`,
    `${server.ipv4} 132 ${init}`,
    `${server.ipv4} 47 00000800`,
    `${server.ipv4} 47 ${pptp}`,
    `${server.ipv4} 136 1770177100081234`,
    `${server.ipv4} 200 00`,
    `${server.ipv6} 200 00`,
  );
  const { failures } = await conntrack.createAll(created());
  if (failures.length > 0) throw new Error(failures.map(({ error }) => error.message).join('\n'));
}
