// The addresses of a packet at each hop, for each forwarding method: the data of docs/drawings and of the tables of
// docs/concepts.md.

/**
 * @typedef {'client' | 'director' | 'server'} Place
 * @typedef {object} Packet
 * @property {string} source address and port
 * @property {string} destination address and port
 *
 * @typedef {object} Hop
 * @property {Place} from
 * @property {Place} to
 * @property {Packet} packet
 * @property {readonly [source: string, destination: string]} [outer] addresses of the packet around it
 * @property {string} note one line, shown below the arrow
 *
 * @typedef {object} PacketPath
 * @property {string} name name of the file
 * @property {string} title
 * @property {readonly [string, string]} server lines below "Real server"
 * @property {readonly Hop[]} hops
 */

export const client = '203.0.113.9:51000';
export const virtual = '198.51.100.1:80';
const director = '10.0.0.1';
const server = '10.0.0.11';

/** @param {string} source @param {string} destination @returns {Packet} */
const packet = (source, destination) => ({ source, destination });

/** @type {Hop} */
const request = {
  from: 'client',
  to: 'director',
  packet: packet(client, virtual),
  note: 'sent to the virtual service',
};

/** @type {Hop} */
const direct = {
  from: 'server',
  to: 'client',
  packet: packet(virtual, client),
  note: 'sent from the virtual address, past the director',
};

/** @type {readonly PacketPath[]} */
export const packetPaths = [
  {
    name: 'nat',
    title: 'NAT, the director is the gateway',
    server: [`${server}:8080`, `gateway ${director}`],
    hops: [
      request,
      {
        from: 'director',
        to: 'server',
        packet: packet(client, `${server}:8080`),
        note: 'IPVS changes the destination',
      },
      {
        from: 'server',
        to: 'director',
        packet: packet(`${server}:8080`, client),
        note: 'routed to the gateway of the server',
      },
      { from: 'director', to: 'client', packet: packet(virtual, client), note: 'IPVS restores the virtual address' },
    ],
  },
  {
    name: 'masquerade',
    title: 'NAT with masquerade',
    server: [`${server}:8080`, 'any gateway'],
    hops: [
      request,
      {
        from: 'director',
        to: 'server',
        packet: packet(`${director}:61000`, `${server}:8080`),
        note: 'IPVS and nf_tables change both addresses',
      },
      {
        from: 'server',
        to: 'director',
        packet: packet(`${server}:8080`, `${director}:61000`),
        note: 'the server replies to the director',
      },
      { from: 'director', to: 'client', packet: packet(virtual, client), note: 'both changes are undone' },
    ],
  },
  {
    name: 'direct',
    title: 'Direct routing',
    server: [server, '198.51.100.1 on lo, silent'],
    hops: [
      request,
      {
        from: 'director',
        to: 'server',
        packet: packet(client, virtual),
        note: "in a frame to the server's link-layer address",
      },
      direct,
    ],
  },
  {
    name: 'tunnel',
    title: 'Tunnel',
    server: [server, 'tunnel; 198.51.100.1 on lo'],
    hops: [
      request,
      {
        from: 'director',
        to: 'server',
        packet: packet(client, virtual),
        outer: [director, server],
        note: 'inside a packet for the server',
      },
      direct,
    ],
  },
  {
    name: 'local',
    title: 'Local: the server is the director itself',
    server: ['a process of the director', 'listens on 198.51.100.1:80'],
    hops: [
      request,
      {
        from: 'director',
        to: 'server',
        packet: packet(client, virtual),
        note: 'delivered to the local socket, unchanged',
      },
      { from: 'server', to: 'director', packet: packet(virtual, client), note: 'an ordinary reply of the socket' },
      { from: 'director', to: 'client', packet: packet(virtual, client), note: 'leaves like any packet of the host' },
    ],
  },
];

/** Lines below the names of the machines. @param {PacketPath} path @returns {Record<Place, readonly string[]>} */
export function machineLines(path) {
  return {
    client: [client],
    director: [`virtual service ${virtual}`, `inside ${director}`],
    server: path.server,
  };
}

/** Returns whether source and destination differ from the hop before in the same direction. @param {PacketPath} path */
export function changesOf({ hops }) {
  const isReply = (/** @type {Hop} */ hop) => hop.packet.destination !== virtual && hop.from === 'server';
  const firstReply = hops.findIndex(isReply);
  return hops.map(({ packet }, index) => {
    const before = index === 0 || index === firstReply ? packet : /** @type {Hop} */ (hops[index - 1]).packet;
    return { source: packet.source !== before.source, destination: packet.destination !== before.destination };
  });
}

const names = { client: 'client', director: 'director', server: 'real server' };

/** Returns the table of a path in Markdown. @param {PacketPath} path */
export function pathTable(path) {
  const changes = changesOf(path);
  const rows = path.hops.map(({ from, to, packet, outer, note }, index) => {
    const mark = (/** @type {string} */ text, /** @type {boolean | undefined} */ isNew) =>
      isNew ? `**${text}**` : text;
    const cells = [
      `${names[from]} to ${names[to]}`,
      mark(packet.source, changes[index]?.source),
      mark(packet.destination, changes[index]?.destination),
      outer ? `${note} (outer packet: ${outer[0]} to ${outer[1]})` : note,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return ['| hop | source | destination | |', '|---|---|---|---|', ...rows].join('\n');
}
