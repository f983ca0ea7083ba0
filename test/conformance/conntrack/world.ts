// One namespace of a kernel for all tests of connection tracking, and flows to try in it.
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Conntrack, type Flow, type FlowFilter, type FlowOptions, type TupleOptions } from '../../../src/index.js';
import type { Place } from '../place.js';

export interface World {
  readonly place: Place;
  readonly conntrack: Conntrack;
  create(original: TupleOptions, more?: Partial<FlowOptions>): Promise<void>;
  read(original: TupleOptions, zone?: number): Promise<Flow>;
  /** The source ports of flows. */
  list(filter?: FlowFilter): Promise<(number | undefined)[]>;
}

export const tuple = (sourcePort: number, more: Partial<TupleOptions> = {}): TupleOptions => ({
  protocol: 'tcp',
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort,
  destinationPort: 80,
  ...more,
});
export const six = (sourcePort: number): TupleOptions =>
  tuple(sourcePort, { source: 'fd00::1', destination: 'fd00::2' });
export const udp = (sourcePort: number): TupleOptions => tuple(sourcePort, { protocol: 'udp' });
export const ports = (flows: readonly Flow[]): (number | undefined)[] =>
  flows.map((flow) => flow.original.sourcePort).sort();
export const missing = { code: 'ERR_IPVS_NO_SUCH_FLOW', errno: 2 };
/** A flow that may have the helper of FTP, and what it expects. */
export const master = tuple(90, { destinationPort: 21 });
export const data = (destinationPort: number): TupleOptions =>
  tuple(0, { source: '10.0.0.2', destination: '10.0.0.1', destinationPort });

/** Tests ask for it: it is opened before the first one, and is empty before each. */
export function worldOn(open: () => Promise<Place>): () => World {
  let place: Place;
  let conntrack: Conntrack;

  beforeAll(async () => {
    place = await open();
    conntrack = await Conntrack.open({ kernel: place.kernel, namespace: place.namespace });
  });
  beforeEach(async () => {
    await conntrack.setSettings({ accounting: false, timestamps: false, events: 'auto' });
    await conntrack.flush();
  });
  afterAll(async () => {
    await conntrack?.close();
    await place?.dispose();
  });

  const create = (original: TupleOptions, more: Partial<FlowOptions> = {}): Promise<void> =>
    conntrack.create({ original, timeout: 300, ...more });
  const read = (original: TupleOptions, zone?: number): Promise<Flow> =>
    conntrack.flow({ original, ...(zone !== undefined && { zone }) });
  const list = async (filter: FlowFilter = {}): Promise<(number | undefined)[]> =>
    ports(await conntrack.flows(filter).toArray());

  return () => ({ place, conntrack, create, read, list });
}
