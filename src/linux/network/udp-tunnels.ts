import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import { AF_INET6, familyNumber } from '../../kernel/families.js';
import type { UdpTunnel } from '../../kernel/network/types.js';
import { type Message, readAttributes } from '../netlink/reader.js';
import type { NetlinkSession } from '../netlink/session.js';
import { MessageWriter, NLM_F } from '../netlink/writer.js';

/** Numbers of generic netlink (include/uapi/linux/genetlink.h). */
const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
/** Size of struct genlmsghdr, in bytes. */
const GENLMSG = 4;

/** Numbers of the family "fou" (include/uapi/linux/fou.h). */
const FOU_CMD = { ADD: 1, DEL: 2, GET: 3 } as const;
const FOU_ATTR = { PORT: 1, AF: 2, IPPROTO: 3, TYPE: 4 } as const;
const types = ['fou', 'gue'] as const; // FOU_ENCAP_DIRECT and FOU_ENCAP_GUE, from 1

/** The UDP ports whose packets the kernel decapsulates, through the generic netlink family "fou". */
export class UdpTunnels {
  readonly #session: NetlinkSession;
  #family: number | undefined;

  constructor(session: NetlinkSession) {
    this.#session = session;
  }

  async list(options: CallOptions): Promise<UdpTunnel[]> {
    const writer = new MessageWriter();
    const family = await this.#resolve(options);
    writer.message(family, NLM_F.REQUEST | NLM_F.DUMP, () => writer.fixed(Uint8Array.from([FOU_CMD.GET, 1, 0, 0])));
    return (await this.#session.dump(writer.take(), options)).map(readTunnel);
  }

  add({ port, family, type, protocol }: UdpTunnel, options: CallOptions): Promise<void> {
    return this.#tell(options, FOU_CMD.ADD, (writer) => {
      writer.be16(FOU_ATTR.PORT, port);
      writer.u8(FOU_ATTR.AF, familyNumber(family));
      if (protocol !== undefined) writer.u8(FOU_ATTR.IPPROTO, protocol);
      writer.u8(FOU_ATTR.TYPE, types.indexOf(type) + 1);
    });
  }

  delete({ port, family }: { readonly port: number; readonly family: Family }, options: CallOptions): Promise<void> {
    return this.#tell(options, FOU_CMD.DEL, (writer) => {
      writer.be16(FOU_ATTR.PORT, port);
      writer.u8(FOU_ATTR.AF, familyNumber(family));
    });
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  async #tell(options: CallOptions, command: number, content: (writer: MessageWriter) => void): Promise<void> {
    const family = await this.#resolve(options);
    await this.#ask(options, family, (writer) => {
      writer.fixed(Uint8Array.from([command, 1, 0, 0]));
      content(writer);
    });
  }

  /**
   * Returns the number of the family. The kernel loads its module automatically if it can; EPROTONOSUPPORT if it
   * does not have the family.
   */
  async #resolve(options: CallOptions): Promise<number> {
    if (this.#family !== undefined) return this.#family;
    try {
      const replies = await this.#ask(options, GENL_ID_CTRL, (writer) => {
        writer.fixed(Uint8Array.from([CTRL_CMD_GETFAMILY, 1, 0, 0]));
        writer.text(CTRL_ATTR_FAMILY_NAME, 'fou');
      });
      for (const attribute of replies[0] ? readAttributes(replies[0].payload, GENLMSG) : [])
        if (attribute.type === CTRL_ATTR_FAMILY_ID) this.#family = attribute.u16;
    } catch (error) {
      if (!(error instanceof KernelFailure) || error.errno !== Errno.ENOENT) throw error;
      throw new KernelFailure(Errno.EPROTONOSUPPORT, 'this kernel has no generic netlink family fou');
    }
    if (this.#family === undefined) throw new KernelFailure(Errno.EBADMSG, 'no family in the reply');
    return this.#family;
  }

  async #ask(
    options: CallOptions,
    type: number,
    content: (writer: MessageWriter) => void,
  ): Promise<readonly Message[]> {
    const writer = new MessageWriter();
    writer.message(type, NLM_F.REQUEST | NLM_F.ACK, () => content(writer));
    const { outcomes, replies } = await this.#session.request(writer.take(), options);
    const [outcome] = outcomes;
    if (outcome && outcome.errno !== 0) throw new KernelFailure(outcome.errno, outcome.message);
    return replies;
  }
}

function readTunnel(message: Message): UdpTunnel {
  let tunnel: UdpTunnel = { port: 0, family: 'ipv4', type: 'fou' };
  for (const attribute of readAttributes(message.payload, GENLMSG)) {
    if (attribute.type === FOU_ATTR.PORT) tunnel = { ...tunnel, port: attribute.be16 };
    if (attribute.type === FOU_ATTR.AF) tunnel = { ...tunnel, family: attribute.u8 === AF_INET6 ? 'ipv6' : 'ipv4' };
    if (attribute.type === FOU_ATTR.IPPROTO && attribute.u8 !== 0) tunnel = { ...tunnel, protocol: attribute.u8 };
    if (attribute.type === FOU_ATTR.TYPE) tunnel = { ...tunnel, type: types[attribute.u8 - 1] ?? 'fou' };
  }
  return tunnel;
}
