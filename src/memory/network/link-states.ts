import { Errno } from '../../common/errno.js';
import type { OperationalState } from '../../kernel/network/types.js';
import { toLink } from './link-entry.js';
import { checkValues } from './link-values.js';
import { type LinkState, refused } from './state.js';

export function setAddress(link: LinkState, address: string): void {
  if (link.address === undefined || link.kind === 'loopback') refused(Errno.EOPNOTSUPP);
  checkValues(link.kind, { address });
  link.address = address;
  link.addressGiven = true;
}

export function setMtu(link: LinkState, mtu: number): void {
  checkValues(link.kind, { mtu });
  if (mtu === link.mtu) return;
  link.mtu = mtu;
  link.mtuGiven = true;
  link.home.addresses.mtuChanged(link);
  if (link.master) portsChanged(link.master);
}

export function enslave(link: LinkState, master: LinkState): void {
  if (link.master === master) return;
  release(link);
  if (master.kind !== 'bridge') refused(Errno.EOPNOTSUPP);
  if (link.kind === 'bridge') refused(Errno.ELOOP, 'Can not enslave a bridge to a bridge');
  if (link.kind === 'loopback' || link.address === undefined) refused(Errno.EINVAL);
  link.master = master;
  master.hadPorts = true;
  link.home.forwarding.portAdded(link);
  portsChanged(master);
}

export function release(link: LinkState): void {
  const { master } = link;
  if (!master) return;
  link.master = undefined;
  link.home.forwarding.portRemoved(link);
  portsChanged(master);
}

/** Updates a bridge: it takes the least address of its ports unless one was set (br_stp_recalculate_bridge_id). */
function portsChanged(bridge: LinkState): void {
  const ports = portsOf(bridge);
  if (!bridge.addressGiven) bridge.address = ports.map(({ address = '' }) => address).sort()[0] ?? '00:00:00:00:00:00';
  // The MTU follows br_mtu_auto_adjust.
  const mtu = bridge.mtuGiven ? bridge.mtu : Math.min(...(ports.length > 0 ? ports.map((port) => port.mtu) : [1500]));
  if (mtu !== bridge.mtu) {
    bridge.mtu = mtu;
    bridge.home.addresses.mtuChanged(bridge);
    tellChanged(bridge);
  }
  refresh(bridge);
}

function portsOf(bridge: LinkState): LinkState[] {
  return bridge.home.links.all().filter(({ master }) => master === bridge);
}

/** Sets an interface up or down, with the kernel's side effects. */
export function switchLink(link: LinkState, up: boolean): void {
  if (link.up === up) return;
  link.up = up;
  const { home } = link;
  if (!up) {
    home.neighbours.flush(link);
    home.routes.linkDown(link);
    home.addresses.linkDown(link);
  }
  const running = up && hasCarrier(link);
  const began = running && !link.running;
  [link.running, link.operationalState] = [running, stateOf(link, running)];
  tellChanged(link);
  if (up) {
    home.routes.linkUp(link);
    home.addresses.linkUp(link);
  }
  if (began) home.addresses.carrierUp(link);
  refreshOthers(link);
}

/** Updates the carrier of an interface after a change of another interface. */
function refresh(link: LinkState): void {
  const running = link.up && hasCarrier(link);
  const state = stateOf(link, running);
  if (running === link.running && state === link.operationalState) return;
  const began = running && !link.running;
  [link.running, link.operationalState] = [running, state];
  tellChanged(link);
  if (began) link.home.addresses.carrierUp(link);
  refreshOthers(link);
}

function refreshOthers(link: LinkState): void {
  if (link.peer) refresh(link.peer);
  if (link.master) refresh(link.master);
  for (const other of link.home.links.all()) if (other.kind === 'macvlan' && other.parent === link) refresh(other);
}

function hasCarrier(link: LinkState): boolean {
  switch (link.kind) {
    case 'veth':
      return link.peer?.up === true;
    case 'bridge':
      return !link.hadPorts || portsOf(link).some(({ running }) => running);
    case 'macvlan':
      return link.parent?.running === true;
    default:
      return true;
  }
}

function stateOf(link: LinkState, running: boolean): OperationalState {
  if (!link.up) return 'down';
  const { kind } = link;
  if (!running) return kind === 'bridge' ? 'down' : 'lower-layer-down';
  return kind === 'veth' || kind === 'macvlan' || (kind === 'bridge' && link.hadPorts) ? 'up' : 'unknown';
}

export function tellChanged(link: LinkState): void {
  link.home.tell(() => ({ type: 'link-changed', link: toLink(link) }));
}
