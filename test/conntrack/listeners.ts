// Who listens to events: the library's stream and `conntrack -E`, and when they have heard all.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Conntrack, ConntrackEvent, ConntrackWatch, ConntrackWatchOptions, Flow } from '../../src/index.js';
import { fieldsOf, type ToolFlow, toolCommand } from './tool.js';
import { until } from './world.js';

export type FlowEvent = Extract<ConntrackEvent, { flow: Flow }>;

/** A flow that says: what was before has been told. */
let marks = 0;
const MARKER = 201;

function markerAddress(): string {
  marks++;
  return `192.0.${marks >> 8}.${marks & 255}`;
}

async function mark(conntrack: Conntrack, source: string): Promise<void> {
  await conntrack.create({ original: { protocol: MARKER, source, destination: '192.0.0.0' }, timeout: 300 });
}

/** A consumer that takes all there is, from when it is made. */
export class Listener {
  readonly events: ConntrackEvent[] = [];
  readonly stream: ConntrackWatch;
  /** Settles when the loop ends. */
  readonly ended: Promise<void>;

  constructor(stream: ConntrackWatch) {
    this.stream = stream;
    this.ended = this.#listen();
    this.ended.catch(() => {}); // whoever closes it awaits it
  }

  async #listen(): Promise<void> {
    for await (const event of this.stream) this.events.push(event);
  }

  /** Of flows, without markers. */
  get flows(): FlowEvent[] {
    return this.events.filter((event): event is FlowEvent => 'flow' in event && event.flow.protocol !== MARKER);
  }

  /** Ends it once all that has happened has come. */
  async finish(conntrack: Conntrack): Promise<FlowEvent[]> {
    await this.settle(conntrack);
    await this.close();
    return this.flows;
  }

  async settle(conntrack: Conntrack): Promise<void> {
    const source = markerAddress();
    await mark(conntrack, source);
    const isMarker = (event: ConntrackEvent): boolean => 'flow' in event && event.flow.original.source === source;
    await until(() => this.events.some(isMarker));
  }

  /** Until nothing has come for a while. */
  async quiet(milliseconds = 500): Promise<void> {
    let before = -1;
    while (this.events.length !== before) {
      before = this.events.length;
      await sleep(milliseconds);
    }
  }

  async close(): Promise<void> {
    await this.stream.close();
    await this.ended;
  }
}

export async function listen(conntrack: Conntrack, options: ConntrackWatchOptions = {}): Promise<Listener> {
  return new Listener(await conntrack.watch(options));
}

/** `conntrack -E`. */
export class ToolListener {
  readonly lines: string[] = [];
  readonly #stop: () => Promise<void>;

  private constructor(namespace: string, args: readonly string[]) {
    const command = [`--net=/run/netns/${namespace}`, ...toolCommand('-E', ...args)];
    const child = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'ignore'] });
    createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(line.trim()));
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.#stop = async () => {
      child.kill('SIGKILL');
      await exited;
    };
  }

  /** Resolves once it hears what `probe` does. */
  static async start(namespace: string, args: readonly string[], probe: () => Promise<void>): Promise<ToolListener> {
    const tool = new ToolListener(namespace, args);
    const hasBegun = async (): Promise<boolean> => {
      await probe();
      return tool.lines.length > 0;
    };
    await until(hasBegun, Boolean, 60_000);
    return tool;
  }

  static startFlows(namespace: string, conntrack: Conntrack): Promise<ToolListener> {
    return ToolListener.start(namespace, ['-o', 'extended,id,ktimestamp,labels'], () =>
      mark(conntrack, markerAddress()),
    );
  }

  /** Ends it once it has said what is in `last`. */
  async finish(last: (line: string) => boolean): Promise<string[]> {
    await until(() => this.lines.some(last));
    await this.#stop();
    return this.lines;
  }

  /** Of flows, without markers. */
  async finishFlows(conntrack: Conntrack): Promise<string[]> {
    const source = markerAddress();
    await mark(conntrack, source);
    const lines = await this.finish((line) => line.includes(`src=${source} `));
    return lines.filter((line) => !line.includes(` ${MARKER} `));
  }

  async stop(): Promise<void> {
    await this.#stop();
  }
}

/** In the order of each flow; that of different flows may differ from listener to listener. */
export function inOrder(events: readonly ToolFlow[]): ToolFlow[] {
  return events.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0));
}

export function eventFields(events: readonly FlowEvent[]): ToolFlow[] {
  return inOrder(events.map(({ type, flow }) => fieldsOf(flow, type)));
}

/** What the table would be, after these events: the last of each flow, by id. */
export function viewOf(events: readonly ConntrackEvent[]): Map<number, Flow> {
  const view = new Map<number, Flow>();
  for (const event of events) {
    if (!('flow' in event)) continue;
    const { id = 0 } = event.flow;
    if (event.type === 'destroy') view.delete(id);
    else view.set(id, event.flow);
  }
  return view;
}
