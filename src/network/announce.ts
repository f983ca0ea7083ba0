import { checkAddress, checkInteger, checkOptions, namesOf, valueOr } from '../common/check.js';
import { checkInterfaceName } from '../common/interface-name.js';
import type { CallOptions } from '../kernel/call.js';
import type { Context } from './context.js';
import { refusal } from './errors.js';
import { announcement } from './frames.js';

const optionNames = namesOf<AnnounceOptions>({ interface: true, address: true, count: true, interval: true });

/** Options of `announce()`. */
export interface AnnounceOptions {
  /** An Ethernet interface that is up. */
  readonly interface: string;
  /** Address without a prefix length. The interface need not have it. */
  readonly address: string;
  /** Number of announcements, from 1 to 1000. Default: 1. */
  readonly count?: number | undefined;
  /** Interval between two announcements, in milliseconds, from 1. Default: 1000. */
  readonly interval?: number | undefined;
}

export async function announce(context: Context, options: AnnounceOptions, call?: CallOptions): Promise<void> {
  checkOptions('an announcement', options, optionNames);
  const name = checkInterfaceName('interface', options.interface);
  const { address, family } = checkAddress('address', options.address);
  const count = checkInteger('count', valueOr(options.count, 1), 1, 1000);
  const interval = checkInteger('interval', valueOr(options.interval, 1000), 1, 0x7fffffff);
  const request = { command: 'announce', action: 'announce', object: `${address} on ${name}` } as const;
  const work = async (): Promise<void> => {
    const link = await context.port.link(name, call);
    const bytes = Uint8Array.from((link.address ?? '').split(':'), (byte) => Number.parseInt(byte, 16));
    if (bytes.length !== 6 || link.kind === 'loopback')
      throw refusal(request, {
        code: 'ERR_IPVS_REJECTED',
        says: 'the interface has no link-layer address',
        cause: 'it is a tunnel or lo, where nobody keeps neighbours',
      });
    // Neighbours that see an advertisement without the router flag no longer use its sender as a router.
    const forwards = family === 'ipv6' && (await isRouter(context, link.name, call));
    const frame = announcement(family, bytes, address, forwards);
    for (let sent = 0; sent < count; sent++) {
      if (sent > 0) await context.clock.sleep(interval, call?.signal);
      await context.port.sendFrame(name, frame, call);
    }
  };
  await context.ask({ ...request, options: call }, work);
}

async function isRouter(context: Context, name: string, call: CallOptions | undefined): Promise<boolean> {
  const [text] = await context.port.readFiles([`/proc/sys/net/ipv6/conf/${name}/forwarding`], call);
  return typeof text === 'string' && text.trim() !== '0';
}
