import { writeAddress } from '../../common/address.js';
import { protocolNumber } from '../../common/protocols.js';
import { familyNumber } from '../../kernel/families.js';
import {
  type IpvsChange,
  type ServerKey,
  type ServerSettings,
  type ServiceKey,
  type ServiceSettings,
  settableFlags,
} from '../../kernel/ipvs/types.js';
import { RecordWriter } from '../records.js';
import { forwardings, layout, tunnelChecksums, tunnelTypes } from './layout.js';

const commands = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DEL_SERVICE: 3,
  NEW_DEST: 5,
  SET_DEST: 6,
  DEL_DEST: 7,
  ZERO: 16,
  FLUSH: 17,
} as const;

class Pen extends RecordWriter {
  serviceKey(at: number, key: ServiceKey): void {
    const field = layout.service;
    this.u16(at + field.family, familyNumber(key.family));
    if ('fwmark' in key) {
      this.u32(at + field.fwmark, key.fwmark);
      return;
    }
    this.u16(at + field.protocol, protocolNumber(key.protocol));
    writeAddress(this.bytes, at + field.address, key.address, key.family);
    this.u16(at + field.port, key.port);
  }

  service(at: number, settings: ServiceSettings): void {
    const field = layout.service;
    this.serviceKey(at, settings.key);
    this.text(at + field.scheduler, settings.scheduler);
    this.text(at + field.engine, settings.engine);
    this.u32(at + field.flags, settings.flags & settableFlags);
    this.u32(at + field.flagsMask, settableFlags);
    this.u32(at + field.timeout, settings.timeout);
    this.u32(at + field.netmask, settings.netmask);
  }

  serverKey(at: number, key: ServerKey): void {
    writeAddress(this.bytes, at + layout.server.address, key.address, key.family);
    this.u16(at + layout.server.family, familyNumber(key.family));
    this.u16(at + layout.server.port, key.port);
  }

  server(at: number, settings: ServerSettings): void {
    const field = layout.server;
    this.serverKey(at, settings.key);
    const { upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum } = settings;
    this.u32(at + field.forwarding, forwardings.indexOf(settings.forwarding));
    this.view.setInt32(at + field.weight, settings.weight, true);
    // Skips zeros for speed: bulk changes have tens of thousands of servers, and these fields are usually 0.
    if (upperThreshold !== 0) this.u32(at + field.upperThreshold, upperThreshold);
    if (lowerThreshold !== 0) this.u32(at + field.lowerThreshold, lowerThreshold);
    if (tunnelType !== 'ipip') this.u8(at + field.tunnelType, tunnelTypes.indexOf(tunnelType));
    if (tunnelPort !== 0) this.u16(at + field.tunnelPort, tunnelPort);
    if (tunnelChecksum !== 'none') this.u16(at + field.tunnelFlags, tunnelChecksums.indexOf(tunnelChecksum));
  }
}

export function writeServiceKey(key: ServiceKey): Uint8Array {
  const pen = new Pen(layout.service.size);
  pen.serviceKey(0, key);
  return pen.bytes;
}

export function writeChanges(changes: readonly IpvsChange[]): Uint8Array {
  const pen = new Pen(changes.length * layout.change.size);
  changes.forEach((change, index) => {
    const at = index * layout.change.size;
    const service = at + layout.change.service;
    pen.u32(at + layout.change.command, commands[change.command]);
    switch (change.command) {
      case 'NEW_SERVICE':
      case 'SET_SERVICE':
        pen.service(service, change.service);
        break;
      case 'DEL_SERVICE':
        pen.serviceKey(service, change.service);
        break;
      case 'NEW_DEST':
      case 'SET_DEST':
        pen.serviceKey(service, change.service);
        pen.server(at + layout.change.server, change.server);
        break;
      case 'DEL_DEST':
        pen.serviceKey(service, change.service);
        pen.serverKey(at + layout.change.server, change.server);
        break;
      case 'ZERO':
        if (change.service) pen.serviceKey(service, change.service);
        break;
      case 'FLUSH':
        break;
    }
  });
  return pen.bytes;
}
