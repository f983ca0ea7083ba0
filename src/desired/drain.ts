import { IpvsError } from '../common/errors.js';
import type { World } from '../items/world.js';
import type { CallOptions } from '../kernel/call.js';
import { describeServer, describeService } from '../kernel/ipvs/describe.js';
import {
  decodeServer,
  decodeService,
  encodeServer,
  encodeService,
  type ServerId,
  type ServiceId,
} from '../kernel/ipvs/ids.js';
import type { IpvsTableEntry, ServerKey, ServiceKey } from '../kernel/ipvs/types.js';
import { ApplyError } from './apply/apply-error.js';
import type { Engine } from './apply/engine.js';
import { settleOwed } from './apply/settle.js';
import type { DrainPolicy } from './document/drain-policy.js';
import type { Target, WantedService, WantedTable } from './document/target.js';
import { StepList, TableStep } from './plan/step.js';
import { planTable } from './plan/table-plan.js';
import { plainServer, serversOf } from './plan/table-rows.js';
import type { Draining, Ledger } from './record/ledger.js';

/** Progress of a draining server: it gets no new connections, and is deleted when its existing ones are over. */
export interface DrainProgress {
  /** Service of the server. */
  readonly service: ServiceKey;
  /** Server that drains. */
  readonly server: ServerKey;
  /** `gone`: the server was removed, because its connections or its time limit ended. `cancelled`: it stays. */
  readonly state: 'draining' | 'gone' | 'cancelled';
  /** Connections that are established; 0 after the server is gone. */
  readonly activeConnections: number;
  /** Connections that are being opened or closed, or have no state (UDP); 0 after the server is gone. */
  readonly inactiveConnections: number;
  /** Persistence templates that still send clients to the server; 0 after the server is gone. */
  readonly persistentConnections: number;
  /** Milliseconds until the server is removed despite its connections. */
  readonly remaining: number;
}

/** Options of `DesiredState.drain()`. */
export interface DrainOptions extends CallOptions {
  /**
   * Interval between two reads, in milliseconds; from 10, default 1000. Reads only the services that have a draining
   * server.
   */
  readonly interval?: number | undefined;
}

type Rows = ReadonlyMap<ServiceId, ReadonlyMap<ServerId, Draining>>;

/** Returns the draining servers of each service. */
export function drainingRows(ledger: Ledger): Rows {
  const rows = new Map<ServiceId, Map<ServerId, Draining>>();
  for (const [service, { servers }] of ledger.owned) {
    const draining = [...servers].filter((one): one is [ServerId, Draining] => one[1] !== undefined);
    if (draining.length > 0) rows.set(service, new Map(draining));
  }
  return rows;
}

/** Returns the progress of the draining servers. Changes nothing. */
export function readDrains(engine: Engine, call: CallOptions): Promise<DrainProgress[]> {
  return engine.exclusively(call, async ({ ledger }) => {
    const rows = drainingRows(ledger);
    return progressOf(rows, await readServices(engine.world, rows.keys()), engine.world.clock.now(), new Set());
  });
}

/** Progress of all draining servers, and a test for the servers that still belong to the owner. */
export interface Drained {
  readonly all: readonly DrainProgress[];
  readonly owns: (progress: DrainProgress) => boolean;
}

/** Removes the servers whose drain is complete. Leaves servers that the target wants to an apply. */
export function stepDrains(
  engine: Engine,
  target: Target,
  drain: DrainPolicy | undefined,
  call: CallOptions | undefined,
): Promise<Drained> {
  return engine.exclusively(call, async (journal, executor) => {
    const { ledger } = journal;
    const rows = unwanted(drainingRows(ledger), target.table);
    const owns = ({ service, server }: DrainProgress): boolean =>
      ledger.owns(encodeService(service), encodeServer(server));
    if (rows.size === 0) return { all: [], owns };
    const entries = await readServices(engine.world, rows.keys());
    const wanted = new Map([...rows.keys()].flatMap((id) => entryOf(target.table, id)));
    const time = engine.world.clock.now();
    const list = new StepList();
    await planTable(entries, wanted, ledger, { adopt: 'none', drain, time }, list);
    const steps = list.steps.filter((step) => step instanceof TableStep);
    const drains = ({ service, server }: TableStep): boolean =>
      server !== undefined && rows.get(service)?.has(server) === true;
    const due = steps.filter((step) => {
      if (!rows.has(step.service)) return false;
      if (step.server !== undefined) return drains(step) && (step.action === 'take-back' || isQuiet(step));
      // A service is deleted together with its last draining servers, if it has no others.
      const others = steps.filter((other) => other.service === step.service && other !== step);
      return step.action === 'take-back' && others.every((other) => drains(other) && other.action === 'take-back');
    });
    await executor.run(due);
    const [first, ...others] = executor.failures;
    if (first) throw new ApplyError([first, ...others], executor.tried, due, undefined);
    // A failure stays in the plan for the next call: the drains continue.
    await settleOwed(engine.world, journal, executor, new Set());
    const gone = due.filter(({ action }) => action === 'take-back');
    return {
      all: progressOf(rows, entries, time, new Set(gone.map(({ service, server }) => rowOf(service, server ?? '')))),
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

function rowOf(service: ServiceId, server: ServerId | ''): string {
  return `${service} ${server}`;
}

/** Returns a text that is equal for progress of the same server only. */
export function drainId({ service, server }: Pick<DrainProgress, 'service' | 'server'>): string {
  return rowOf(encodeService(service), encodeServer(server));
}

/** Returns true if the step sets a draining server, to which another program gave a weight, back to weight 0. */
function isQuiet({ action, draining }: TableStep): boolean {
  return action === 'change' && draining !== undefined;
}

function entryOf(table: WantedTable, id: ServiceId): [ServiceId, WantedService][] {
  const service = table.get(id);
  return service ? [[id, service]] : [];
}

/** Restores the weight of a draining server. @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER` if it does not drain */
export function cancelDrain(
  engine: Engine,
  of: Pick<DrainProgress, 'service' | 'server'>,
  call?: CallOptions,
): Promise<void> {
  const service = encodeService(of.service);
  const server = encodeServer(of.server);
  return engine.exclusively(call, async (journal) => {
    const draining = drainingRows(journal.ledger).get(service)?.get(server);
    const [entry] = draining ? await readServices(engine.world, [service]) : [];
    const is = entry?.servers.find(({ key }) => encodeServer(key) === server);
    if (!draining || !entry || !is)
      throw new IpvsError(
        'ERR_IPVS_NO_SUCH_SERVER',
        `server ${describeServer(of.server)} of ${describeService(of.service)} does not drain`,
      );
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

async function readServices(world: World, ids: Iterable<ServiceId>): Promise<IpvsTableEntry[]> {
  const ipvs = await world.ipvs;
  const entries = await Promise.all([...ids].map((id) => ipvs.entry(decodeService(id))));
  return entries.filter((entry) => entry !== undefined);
}

function progressOf(
  rows: Rows,
  entries: readonly IpvsTableEntry[],
  time: number,
  gone: ReadonlySet<string>,
): DrainProgress[] {
  const found = new Map(entries.map((entry) => [encodeService(entry.service.key), entry.servers]));
  return [...rows].flatMap(([service, servers]) =>
    [...servers].map(([server, { until }]): DrainProgress => {
      const is = found.get(service)?.find(({ key }) => encodeServer(key) === server);
      return {
        service: decodeService(service),
        server: decodeServer(server),
        state: !is || gone.has(rowOf(service, server)) ? 'gone' : 'draining',
        activeConnections: is?.activeConnections ?? 0,
        inactiveConnections: is?.inactiveConnections ?? 0,
        persistentConnections: is?.persistentConnections ?? 0,
        remaining: Math.max(0, until - time),
      };
    }),
  );
}
