import { expect, test } from 'vitest';
import { Conntrack, type ConntrackEvent } from '../../../src/index.js';
import { failure } from '../place.js';
import { data, master, six, tuple, udp, type World } from './world.js';

export function eventConformance(world: () => World): void {
  /** So many of a stream. */
  async function take(stream: AsyncIterable<ConntrackEvent>, count: number): Promise<ConntrackEvent[]> {
    const events: ConntrackEvent[] = [];
    for await (const event of stream) if (events.push(event) === count) break;
    return events;
  }
  const say = (event: ConntrackEvent): string =>
    'flow' in event ? `${event.type} ${event.flow.original.sourcePort} ${event.flow.mark}` : event.type;

  test('events tell how a flow begins, changes and ends', async () => {
    const { conntrack, create } = world();
    const stream = await conntrack.watch();
    await create(tuple(1), { mark: 3 });
    await conntrack.update({ original: tuple(1) }, { mark: 4 });
    await conntrack.delete({ original: tuple(1) });
    await create(udp(2));
    await conntrack.flush({ family: 'ipv4' });
    const events = await take(stream, 5);
    expect(events.map(say)).toEqual(['new 1 3', 'update 1 4', 'destroy 1 4', 'new 2 0', 'destroy 2 undefined']);
    const [first, , last] = events.map((event) => ('flow' in event ? event.flow : undefined));
    expect(first).toMatchObject({ state: 'ESTABLISHED', status: ['confirmed'], protocol: 'tcp' });
    expect(first?.counters).toBeUndefined();
    expect(last).toMatchObject({ status: ['confirmed', 'dying'], id: first?.id });
    expect(last?.tcp).toBeUndefined();
    expect(events.every((event) => 'recovered' in event && !event.recovered)).toBe(true);
  });

  test('the end tells the counters and times', async () => {
    const { conntrack, create } = world();
    await conntrack.setSettings({ accounting: true, timestamps: true });
    const stream = await conntrack.watch({ types: ['destroy'] });
    await create(tuple(1));
    await conntrack.delete({ original: tuple(1) });
    const [event] = await take(stream, 1);
    if (event?.type !== 'destroy') throw new Error(event?.type);
    expect(event.flow.counters).toEqual({ original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } });
    expect(event.flow.stopped ?? 0n).toBeGreaterThanOrEqual(event.flow.started ?? 1n);
  });

  test('events of some types, and of some flows', async () => {
    const { conntrack, create } = world();
    const destroyed = await conntrack.watch({ types: ['destroy'] });
    const marked = await conntrack.watch({ filter: { mark: 7 } });
    await create(tuple(1), { mark: 1 });
    await create(tuple(2), { mark: 7 });
    await conntrack.update({ original: tuple(1) }, { mark: 7 });
    await conntrack.update({ original: tuple(2) }, { mark: 2 });
    await conntrack.delete({ original: tuple(2) });
    await conntrack.delete({ original: tuple(1) });
    expect((await take(destroyed, 2)).map(say)).toEqual(['destroy 2 2', 'destroy 1 7']);
    expect((await take(marked, 3)).map(say)).toEqual(['new 2 7', 'update 1 7', 'destroy 1 7']);
  });

  test('of a flow that began while nobody listened nothing is told; with events on it is', async () => {
    const { conntrack, create } = world();
    await create(tuple(1));
    await conntrack.setSettings({ events: true });
    await create(tuple(2));
    const stream = await conntrack.watch();
    await conntrack.delete({ original: tuple(1) });
    await conntrack.delete({ original: tuple(2) });
    await conntrack.setSettings({ events: false });
    await create(tuple(3));
    await conntrack.setSettings({ events: true });
    await create(tuple(4));
    expect((await take(stream, 2)).map(say)).toEqual(['destroy 2 undefined', 'new 4 0']);
  });

  test('a stream that is resynchronised begins with the table', async () => {
    const { conntrack, create } = world();
    await create(tuple(1), { mark: 1 });
    await create(six(2));
    const stream = await conntrack.watch({ resynchronise: true, filter: { family: 'ipv4' } });
    expect(await take(stream, 2)).toMatchObject([
      { type: 'new', recovered: true, flow: { mark: 1 } },
      { type: 'resynchronised', flows: 1 },
    ]);
  });

  test('events of expectations: of flows of which there are events, too', async () => {
    const { conntrack, create } = world();
    const other = tuple(91, { destinationPort: 21 });
    await create(other, { helper: 'ftp' });
    const stream = await conntrack.watch({ types: ['expectation'] });
    // It began while nobody listened: of this one nothing is told.
    await conntrack.createExpectation({ tuple: data(5000), master: other, timeout: 30 });
    await create(master, { helper: 'ftp' });
    await conntrack.createExpectation({ tuple: data(5001), master, timeout: 30 });
    await conntrack.createExpectation({ tuple: data(5002), master, timeout: 30 });
    await conntrack.deleteExpectation({ tuple: data(5002) });
    const events = await take(stream, 4);
    const told = events.map((event) =>
      'expectation' in event ? `${event.type} ${event.expectation.tuple.destinationPort}` : '',
    );
    expect(told).toEqual([
      'expectation-new 5001',
      'expectation-destroy 5001',
      'expectation-new 5002',
      'expectation-destroy 5002',
    ]);
  });

  test('a stream ends with its signal, with close, and with the handle', async () => {
    const { place, conntrack } = world();
    const controller = new AbortController();
    const stream = await conntrack.watch({ signal: controller.signal });
    const loop = take(stream, 1);
    controller.abort(new Error('enough'));
    await expect(loop).rejects.toThrow('enough');

    const closed = await conntrack.watch();
    const waiting = take(closed, 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await closed.close();
    expect(await waiting).toEqual([]);

    const other = await Conntrack.open({ kernel: place.kernel, namespace: place.namespace });
    const last = take(await other.watch(), 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await other.close();
    await last.catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_IPVS_CLOSED' }));
    expect(await failure(other.usage())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  });
}
