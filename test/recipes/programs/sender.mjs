// Sends a datagram every 20 ms from one port, without a pause: `node sender.mjs ADDRESS PORT`. Asked anything, it
// answers the names of the servers that replied since the question before.
import { createSocket } from 'node:dgram';
import { answer } from '../../../scripts/lab.mjs';

const [address = '', port = '0'] = process.argv.slice(2);
/** @type {Set<string>} */
const names = new Set();
const socket = createSocket('udp4');
socket.on('message', (message) => names.add(String(message)));
socket.on('error', () => {});
setInterval(() => socket.send('?', Number(port), address), 20);

answer(() => {
  const heard = [...names].sort();
  names.clear();
  return heard;
});
