import { expect, test } from 'vitest';
import type { EventPort } from '../../src/kernel/conntrack/port.js';
import type { Flow } from '../../src/kernel/conntrack/types.js';
import { MemoryEventStreams } from '../../src/memory/conntrack/events.js';

// The cases of native/test/conntrack_mirror_test.cc.

function flow(port: number, id: number, more: Partial<Flow> = {}): Flow {
  const ends = { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: port, destinationPort: 80 };
  const tuple = { family: 'ipv4', protocol: 'udp', ...ends } as unknown as Flow['original'];
  const fields = { original: tuple, reply: tuple, zone: 0, id, status: [], statusBits: 0, ...more };
  return { family: 'ipv4', protocol: 'udp', ...fields } as Flow;
}

/** A stream that resynchronises, and the table that it is compared with. */
function begin(table: Flow[]): { streams: MemoryEventStreams; stream: EventPort } {
  const streams = new MemoryEventStreams(() => table);
  const flags = { created: true, updated: true, destroyed: true, expectations: false };
  const stream = streams.open(
    { original: {}, reply: {} },
    { ...flags, reliable: false, resynchronise: true, receiveBuffer: 0, interval: 0 },
    () => false,
    () => {},
  );
  return { streams, stream };
}

async function read(stream: EventPort): Promise<string[]> {
  return (await stream.next()).map((event) => {
    const id = 'flow' in event ? ` ${event.flow.id}` : '';
    return `${event.type}${id}${'recovered' in event && event.recovered ? ' recovered' : ''}`;
  });
}

test('the new event of a flow that the table has shown is an update, and a second one is another flow', async () => {
  const { streams, stream } = begin([flow(1, 10)]);
  expect(await read(stream)).toEqual(['new 10 recovered', 'resynchronised']);
  streams.flow('new', () => flow(1, 10), undefined);
  expect(await read(stream)).toEqual(['update 10']);
  streams.flow('new', () => flow(1, 10), undefined);
  expect(await read(stream)).toEqual(['destroy 10 recovered', 'new 10']);
});

test('an update of a flow that the table has shown makes its next new event another flow', async () => {
  const { streams, stream } = begin([flow(1, 10)]);
  await read(stream);
  streams.flow('update', () => flow(1, 10), undefined);
  streams.flow('new', () => flow(1, 10), undefined);
  expect(await read(stream)).toEqual(['update 10', 'destroy 10 recovered', 'new 10']);
});

test('a tuple that another flow has taken means that the destroy of the first was missed', async () => {
  const { streams, stream } = begin([]);
  await read(stream);
  streams.flow('new', () => flow(1, 10), undefined);
  streams.flow('new', () => flow(1, 11), undefined);
  streams.flow('destroy', () => flow(1, 10), undefined);
  expect(await read(stream)).toEqual(['new 10', 'destroy 10 recovered', 'new 11']);
});

test('a comparison reports a change of the labels', async () => {
  const table = [flow(1, 10, { labels: [1] })];
  const { streams, stream } = begin(table);
  await read(stream);
  table[0] = flow(1, 10, { labels: [1, 2] });
  await streams.lose();
  expect(await read(stream)).toEqual(['overrun', 'update 10 recovered', 'resynchronised']);
  await streams.lose();
  expect(await read(stream)).toEqual(['overrun', 'resynchronised']);
});
