// A director in memory with flows of UDP.
import { Conntrack, type DesiredDocument, DesiredState, Network } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

export interface Tuple {
  readonly from?: string;
  readonly to: string;
  readonly port?: number;
  readonly protocol?: 'udp' | 'tcp';
  /** Where replies come from, and go to: default, untranslated. */
  readonly by?: string;
  readonly byPort?: number;
  readonly as?: string;
}

export async function machine() {
  const kernel = new MemoryKernel();
  const conntrack = await Conntrack.open({ kernel });
  const network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  await network.addAddress({ interface: 'eth0', address: '192.0.2.254/24' });
  let client = 20_000;
  const track = async ({ from = '198.51.100.1', to, port = 53, protocol = 'udp', ...reply }: Tuple): Promise<void> => {
    const sourcePort = ++client;
    const { by = to, byPort = port, as = from } = reply;
    await conntrack.create({
      original: { protocol, source: from, destination: to, sourcePort, destinationPort: port },
      reply: { protocol, source: by, destination: as, sourcePort: byPort, destinationPort: sourcePort },
      timeout: 100,
      ...(protocol === 'tcp' && { state: 'ESTABLISHED' }),
    });
  };
  const left = async (): Promise<string[]> => {
    const list: string[] = [];
    for await (const { protocol, original, reply } of conntrack.flows()) {
      const words = `${original.destination}:${original.destinationPort} ${reply.source}:${reply.sourcePort}`;
      list.push(protocol === 'udp' ? words : `${protocol} ${words}`);
    }
    return list.sort();
  };
  const open = (document: DesiredDocument) => DesiredState.open(document, { kernel, record: '/owner.json' });
  return { kernel, track, left, open };
}
