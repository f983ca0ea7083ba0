import type { Rows } from '../../items/snapshot.js';
import type { ServerId, ServiceId } from '../../kernel/ipvs/ids.js';
import type { Kernel } from '../../kernel/kernel.js';
import { ledgerOf } from './journal.js';
import type { Ledger } from './ledger.js';

/** Rows that other owners have in their records. Plain data. */
export type OtherOwners = readonly (readonly [owner: string, rows: Rows])[];

/** Returns the owner that made a service, or a server of it; `null` if no record names one: another program made it. */
export function ownerOf(
  others: OtherOwners | undefined,
  service: ServiceId,
  server: ServerId | '' = '',
): string | null {
  const found = others?.find(([, rows]) => Object.hasOwn(rows, service) && rows[service]?.includes(server));
  return found?.[0] ?? null;
}

/**
 * Reads the rows that other owners have of these services, to name the owners. A record that cannot be read, or is
 * damaged, names nobody: an unknown owner is no reason to fail.
 */
export async function readOthers(
  kernel: Kernel,
  prefix: string,
  own: string | undefined,
  services: ReadonlySet<ServiceId>,
): Promise<OtherOwners> {
  const texts = await kernel.readJournals(prefix).catch(() => []);
  const others: (readonly [owner: string, rows: Rows])[] = [];
  for (const { path, text } of texts) {
    const owner = /^([A-Za-z0-9_.-]{1,48})\.json$/.exec(path.slice(prefix.length))?.[1];
    if (owner === undefined || path === own) continue;
    const rows = rowsOf(await ledgerOf(text), services);
    if (Object.keys(rows).length > 0) others.push([owner, rows]);
  }
  return others;
}

function rowsOf(ledger: Ledger | undefined, services: ReadonlySet<ServiceId>): Rows {
  const owned = [...(ledger?.owned ?? [])].filter(([service]) => services.has(service));
  return Object.fromEntries(
    owned.map(([id, { service, servers }]) => [id, [...(service ? ['' as const] : []), ...servers.keys()]]),
  );
}
