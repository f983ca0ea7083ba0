/** @import { Conntrack } from '../../dist/index.js' */

/**
 * Looks at four fields of every flow; how many flows there are.
 * @param {Conntrack} conntrack
 * @param {boolean} batches in batches, or one by one
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
