// A web client. For the question { address, port, paths, parallel } it sends one request per path, each over a new
// connection, `parallel` of them at a time.

import { get } from 'node:http';
import { answer } from '../lab.mjs';

const PATIENCE = 30_000; // time limit for one request, in milliseconds

/**
 * @typedef {object} Reply
 * @property {string} server name of the server
 * @property {number} bytes length of the body
 * @property {string} end last line of the body, if it has lines
 */

/**
 * @param {string} address
 * @param {number} port
 * @param {string} path
 * @returns {Promise<Reply>}
 */
function request(address, port, path) {
  return new Promise((resolve, reject) => {
    const options = { host: address, port, path, agent: false, signal: AbortSignal.timeout(PATIENCE) };
    get(options, (response) => {
      /** @type {Buffer[]} */
      const body = [];
      response.on('data', (piece) => body.push(piece));
      response.on('error', reject); // also if it ends too early
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode} for ${path}`));
        const whole = Buffer.concat(body);
        const end = whole.subarray(-80).toString().trimEnd().split('\n').at(-1) ?? '';
        return resolve({ server: String(response.headers['x-server']), bytes: whole.length, end });
      });
    }).on('error', reject);
  });
}

answer(async ({ address, port, paths, parallel }) => {
  const queue = [...paths];
  /** @type {Reply[]} */
  const replies = [];
  const work = async () => {
    while (queue.length > 0) replies.push(await request(address, port, queue.shift()));
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return replies;
});
