import { type IpvsError, invalid } from '../../common/errors.js';
import { limits } from '../../common/limits.js';
import { show } from '../../common/show.js';
import type { Snapshot } from '../../items/snapshot.js';
import type { ServerEntry, ServiceEntry } from '../../kernel/ipvs/types.js';
import type { CheckedDocument } from '../document/document.js';
import type { DesiredDocument } from '../document/types.js';
import { Ledger } from '../record/ledger.js';
import { checkLine } from '../record/line-checks.js';
import { type Plan, planOf } from './plan-view.js';
import { withMainNames } from './renames.js';
import { checkSnapshot } from './snapshot-checks.js';
import type { Adoption } from './table-plan.js';
import { plainServer, plainService } from './table-rows.js';

/** Version of the text. A snapshot is not kept for long: earlier versions are refused. */
const VERSION = 2;

/** Owner and namespace of a document or a snapshot. */
type Of = Pick<DesiredDocument, 'owner' | 'namespace'>;

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkSame(document: Of, of: Of): void {
  for (const name of ['owner', 'namespace'] as const)
    if (document[name] !== of[name])
      throw invalid(`the document is of another ${name}: ${document[name] ?? 'none'}, not ${of[name] ?? 'none'}`);
}

/**
 * State of a kernel at one time, and what an owner made of it. It can be kept as JSON, and planned with on another
 * machine.
 *
 * @example
 * ```ts
 * import { CheckedDocument, type DesiredState, StateSnapshot } from 'ipvs';
 *
 * export async function planElsewhere(state: DesiredState, text: string): Promise<string> {
 *   const saved = JSON.stringify(await state.snapshot());
 *   const snapshot = StateSnapshot.parse(saved); // on another machine
 *   return String(await snapshot.plan(await CheckedDocument.parse(text), 'none'));
 * }
 * ```
 */
export class StateSnapshot {
  readonly #snapshot: Snapshot;
  readonly #ledger: Ledger;
  readonly #of: Of;

  /** @internal */
  constructor(snapshot: Snapshot, ledger: Ledger, { owner, namespace }: Of) {
    this.#snapshot = snapshot;
    this.#ledger = ledger;
    this.#of = { owner, namespace };
  }

  /**
   * Parses the JSON text of {@link toJSON}, of at most 256 Mi characters.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  static parse(text: string): StateSnapshot {
    if (typeof text !== 'string') throw invalid(`a snapshot must be a JSON text, not ${show(text)}`);
    if (text.length > limits.snapshotText)
      throw invalid(`a snapshot has at most ${limits.snapshotText} characters, not ${text.length}`);
    try {
      const { version, of, snapshot, owned } = JSON.parse(text, revive) as {
        version: number;
        of: Of;
        snapshot: unknown;
        owned: unknown[];
      };
      if (version !== VERSION || !Array.isArray(owned) || typeof of?.owner !== 'string')
        throw new Error('it is none, or of another version');
      const ledger = new Ledger();
      for (const line of owned) ledger.change(checkLine(line));
      return new StateSnapshot(checkSnapshot(snapshot), ledger, of);
    } catch (error) {
      throw notUnderstood(error);
    }
  }

  /** @internal */
  async plan(document: CheckedDocument, adopt: Adoption): Promise<Plan> {
    const { planSteps } = await import('../planning.js');
    checkSame(document.document, this.#of);
    const { drain } = document.document;
    const options = { adopt, drain, leftOvers: adopt === 'wanted' };
    const target = withMainNames(document.target, this.#snapshot.links);
    try {
      return await planOf(await planSteps(target, this.#snapshot, this.#ledger, options));
    } catch (error) {
      throw notUnderstood(error);
    }
  }

  /** Returns the snapshot for JSON. {@link StateSnapshot.parse} reads the text. */
  toJSON(): unknown {
    const { table, ...rest } = this.#snapshot;
    const rows = table?.map(({ service, servers }) => ({
      service: plainEntry(service),
      servers: servers.map(plainServerEntry),
    }));
    const snapshot = { ...rest, ...(rows && { table: rows }) };
    return JSON.parse(JSON.stringify({ version: VERSION, of: this.#of, snapshot, owned: this.#ledger.lines }, replace));
  }
}

/** Returns a failure as an invalid argument: the text of the snapshot is damaged. */
function notUnderstood(error: unknown): IpvsError {
  return invalid(`not a snapshot: ${error instanceof Error ? error.message : String(error)}`);
}

function plainEntry(service: ServiceEntry): ServiceEntry {
  return { ...plainService(service), flags: service.flags, statistics: service.statistics };
}

function plainServerEntry(server: ServerEntry): ServerEntry {
  const { forwarding, knowsTunnels, activeConnections, inactiveConnections, persistentConnections, statistics } =
    server;
  const counts = { knowsTunnels, activeConnections, inactiveConnections, persistentConnections, statistics };
  return { ...plainServer(server), forwarding, ...counts };
}

/** Encodes a bigint as an object: JSON has no large integers. */
function replace(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? { bigint: String(value) } : value;
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('bigint' in value)) return value;
  return BigInt(String(value.bigint));
}
