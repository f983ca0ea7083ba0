import { describeServer, describeService, parseService } from '../ipvs/describe.js';
import { IpvsError } from '../kernel/errors.js';
import type { TableEntry } from '../kernel/ipvs/types.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { World } from '../roles/world.js';
import { ApplyError } from './apply-error.js';
import type { DrainPolicy } from './drain-policy.js';
import type { Engine } from './engine.js';
import type { Draining, Ledger } from './ledger.js';
import { settleOwed } from './settle.js';
import { StepList, TableStep } from './step.js';
import { plainServer, planTable, serversOf } from './table-plan.js';
import type { Target, WantedService, WantedTable } from './target.js';

/** A server that takes no new connections, and goes when those it has are over. */
export interface DrainProgress {
  /** As ipvsadm names it: `TCP 192.168.1.100:80`, `FWM 80`. */
  readonly service: string;
  readonly server: string;
  /** `gone`: it was removed, for its connections were over, or its time was. `cancelled`: it stays after all. */
  readonly state: 'draining' | 'gone' | 'cancelled';
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  /** Milliseconds until it goes anyway. */
  readonly remaining: number;
}

/** What to do while servers drain, and how often to look: milliseconds. */
export interface DrainOptions extends CallOptions {
  /** From 10; default 1000. Only the servers of services in which one drains are read. */
  readonly interval?: number | undefined;
}

type Rows = ReadonlyMap<string, ReadonlyMap<string, Draining>>;

/** Of each service the servers that drain. */
export function drainingRows(ledger: Ledger): Rows {
  const rows = new Map<string, Map<string, Draining>>();
  for (const [service, { servers }] of ledger.owned) {
    const draining = [...servers].filter((one): one is [string, Draining] => one[1] !== undefined);
    if (draining.length > 0) rows.set(service, new Map(draining));
  }
  return rows;
}

/** What drains now. Nothing is changed. */
export function readDrains(engine: Engine, call: CallOptions): Promise<DrainProgress[]> {
  return engine.exclusively(call, async ({ ledger }) => {
    const rows = drainingRows(ledger);
    return progressOf(rows, await readServices(engine.world, rows.keys()), engine.world.clock.now(), new Set());
  });
}

/** How all are that drain, and which servers are the owner's still. */
export interface Drained {
  readonly all: readonly DrainProgress[];
  readonly owns: (service: string, server: string) => boolean;
}

/** Removes those that are through. What the target wants is left to an apply. */
export function stepDrains(
  engine: Engine,
  target: Target,
  drain: DrainPolicy | undefined,
  call: CallOptions | undefined,
): Promise<Drained> {
  return engine.exclusively(call, async (journal, executor) => {
    const { ledger } = journal;
    const rows = unwanted(drainingRows(ledger), target.table);
    const owns = (service: string, server: string): boolean => ledger.owns(service, server);
    if (rows.size === 0) return { all: [], owns };
    const entries = await readServices(engine.world, rows.keys());
    const wanted = new Map([...rows.keys()].flatMap((name) => entryOf(target.table, name)));
    const time = engine.world.clock.now();
    const list = new StepList();
    planTable(entries, wanted, ledger, { adopt: 'none', drain, time }, list);
    const steps = list.steps.filter((step) => step instanceof TableStep);
    const drains = ({ service, server }: TableStep): boolean =>
      server !== undefined && rows.get(service)?.has(server) === true;
    const due = steps.filter((step) => {
      if (!rows.has(step.service)) return false;
      if (step.server !== undefined) return drains(step) && (step.action === 'take-back' || isQuiet(step));
      // A service goes with the last of its servers, if those were all that it had.
      const others = steps.filter((other) => other.service === step.service && other !== step);
      return step.action === 'take-back' && others.every((other) => drains(other) && other.action === 'take-back');
    });
    await executor.run(due);
    const [first, ...others] = executor.failures;
    if (first) throw new ApplyError([first, ...others], executor.tried, due, undefined);
    // A failure is left to the next call, and in the plan until then: servers go on leaving.
    await settleOwed(engine.world, journal, executor, new Set());
    const gone = due.filter(({ action }) => action === 'take-back');
    return {
      all: progressOf(rows, entries, time, new Set(gone.map(({ service, server }) => `${server} of ${service}`))),
      owns,
    };
  });
}

function unwanted(rows: Rows, table: WantedTable): Rows {
  return new Map(
    [...rows].flatMap(([service, servers]) => {
      const wanted = table.get(service);
      const stay = wanted && serversOf(wanted);
      const left = [...servers].filter(([server]) => !stay?.has(server));
      return left.length === 0 ? [] : [[service, new Map(left)] as const];
    }),
  );
}

/** Of one that drains already, to which somebody gave a weight. */
function isQuiet({ action, draining }: TableStep): boolean {
  return action === 'change' && draining !== undefined;
}

function entryOf(table: WantedTable, name: string): [string, WantedService][] {
  const service = table.get(name);
  return service ? [[name, service]] : [];
}

/** Gives a server its weight back. @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER` if it does not drain */
export function cancelDrain(engine: Engine, service: string, server: string, call?: CallOptions): Promise<void> {
  return engine.exclusively(call, async (journal) => {
    const draining = drainingRows(journal.ledger).get(service)?.get(server);
    const [entry] = draining ? await readServices(engine.world, [service]) : [];
    const is = entry?.servers.find(({ key }) => describeServer(key) === server);
    if (!draining || !entry || !is)
      throw new IpvsError('ERR_IPVS_NO_SUCH_SERVER', `server ${server} of ${service} does not drain`);
    const change = {
      command: 'SET_DEST',
      service: entry.service.key,
      server: { ...plainServer(is), weight: draining.weight },
    } as const;
    const [error] = await (await engine.world.ipvs).send([change], call);
    if (error) throw error;
    await journal.write({ drain: { service, server, draining: null } });
  });
}

async function readServices(world: World, names: Iterable<string>): Promise<TableEntry[]> {
  const ipvs = await world.ipvs;
  const entries = await Promise.all([...names].map((name) => ipvs.entry(parseService(name))));
  return entries.filter((entry) => entry !== undefined);
}

function progressOf(
  rows: Rows,
  entries: readonly TableEntry[],
  time: number,
  gone: ReadonlySet<string>,
): DrainProgress[] {
  const found = new Map(entries.map((entry) => [describeService(entry.service.key), entry.servers]));
  return [...rows].flatMap(([service, servers]) =>
    [...servers].map(([server, { until }]): DrainProgress => {
      const is = found.get(service)?.find(({ key }) => describeServer(key) === server);
      return {
        service,
        server,
        state: !is || gone.has(`${server} of ${service}`) ? 'gone' : 'draining',
        activeConnections: is?.activeConnections ?? 0,
        inactiveConnections: is?.inactiveConnections ?? 0,
        persistentConnections: is?.persistentConnections ?? 0,
        remaining: Math.max(0, until - time),
      };
    }),
  );
}
