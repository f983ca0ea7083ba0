/** @import { Conntrack } from '../../dist/index.js' */

/**
 * Reads four fields of every flow; returns the number of flows.
 * @param {Conntrack} conntrack
 * @param {boolean} batches true: in batches; false: one by one
 */
export async function readFields(conntrack, batches) {
  let flows = 0;
  let sum = 0;
  const stream = conntrack.flows();
  if (batches) {
    for await (const batch of stream.batches()) {
      for (const { original, mark = 0, timeout = 0 } of batch)
        sum += original.source.length + (original.destinationPort ?? 0) + mark + timeout;
      flows += batch.length;
    }
  } else {
    for await (const { original, mark = 0, timeout = 0 } of stream) {
      sum += original.source.length + (original.destinationPort ?? 0) + mark + timeout;
      flows++;
    }
  }
  if (!(sum > flows)) throw new Error('nothing was read');
  return flows;
}
