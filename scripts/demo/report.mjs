// Formats the output of the demo.

import { inspect } from 'node:util';
import { tableHeading } from '../../dist/index.js';

/** @import { ConnectionEntry, Info, RealServer, IpvsStatistics, TableRow } from '../../dist/index.js' */

const BAR = 25; // length of the longest bar, in characters

/**
 * Formats the table like `ipvsadm -Ln`.
 * @param {Info} info
 * @param {readonly TableRow[]} table
 */
export function showTable(info, table) {
  const heading = tableHeading(info.version, info.connectionTableSize);
  return [...heading, ...table.map((row) => inspect(row))].join('\n');
}

/**
 * Formats the connections and bytes of each server, as differences from `before` if given.
 * @param {readonly RealServer[]} servers
 * @param {readonly RealServer[]} [before]
 */
export function showTraffic(servers, before) {
  const rows = servers.map((server) => ({
    name: server.address,
    weight: server.weight,
    connections: since('connections', server, before),
    bytes: since('outgoingBytes', server, before),
  }));
  const most = {
    connections: Math.max(1, ...rows.map((row) => row.connections)),
    bytes: Math.max(1, ...rows.map((row) => row.bytes)),
  };
  const bar = (/** @type {number} */ value, /** @type {number} */ longest) =>
    '#'.repeat(Math.ceil((value / longest) * BAR)).padEnd(BAR);
  return [
    `server     weight  connections ${' '.repeat(BAR)}  bytes to the client`,
    ...rows.map(({ name, weight, connections, bytes }) =>
      [
        name.padEnd(10),
        String(weight).padStart(6),
        `${String(connections).padStart(11)} ${bar(connections, most.connections)}`,
        `${String(bytes).padStart(9)} ${bar(bytes, most.bytes).trimEnd()}`,
      ].join(' '),
    ),
  ].join('\n');
}

/**
 * Returns a counter of a server minus its value in `before`.
 * @param {keyof IpvsStatistics} counter
 * @param {RealServer} server
 * @param {readonly RealServer[]} [before]
 */
export function since(counter, server, before = []) {
  const earlier = before.find(({ address, port }) => address === server.address && port === server.port);
  return Number(server.statistics[counter] - (earlier?.statistics[counter] ?? 0n));
}

/** @param {readonly ConnectionEntry[]} connections */
export function showConnections(connections) {
  return connections
    .map(({ protocol, clientAddress, clientPort, virtualAddress, virtualPort, serverAddress, serverPort, ...rest }) =>
      [
        `  ${protocol} ${clientAddress}:${clientPort} -> ${virtualAddress}:${virtualPort}`,
        `${serverAddress}:${serverPort}, ${rest.state}, forgotten in ${rest.expires} s`,
      ].join(' -> '),
    )
    .join('\n');
}
