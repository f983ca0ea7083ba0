// A director with NAT for servers that have another gateway: it masquerades, so replies return through it.
//   node nat-masquerade.mjs apply | verify | remove
// Edit `description` first. Repeat `apply` as often as you like: it repairs, or does nothing. In another process
// `remove` takes back exactly what `apply` made, as the record in /run/ipvs has it.
import { parseArgs } from 'node:util';
import { Role } from 'ipvs';

/** @type {import('ipvs').NatDirectorRole} */
export const description = {
  role: 'nat-director',
  interface: 'eth0', // gets the virtual address, which is announced to the neighbours
  masquerade: true, // servers see the address of the director; switches net.ipv4.vs.conntrack on
  services: [
    {
      service: { protocol: 'tcp', address: '198.51.100.1', port: 80, scheduler: 'wlc' },
      servers: [
        { address: '10.0.0.11', port: 8080, weight: 2 },
        { address: '10.0.0.12', port: 8080, weight: 1 },
      ],
    },
  ],
};

/**
 * Carries out a command.
 * @param {string} command @param {import('ipvs').NatDirectorRole} wanted
 * @param {import('ipvs').RoleOptions} [options] @param {(line: string) => void} [print]
 */
export async function run(command, wanted, options = {}, print = console.log) {
  const role = await Role.open(wanted, options);
  try {
    if (command === 'verify') {
      const differences = await role.verify();
      for (const { problem, what } of differences) print(`${problem}: ${what}`);
      return differences.length === 0;
    }
    const steps = command === 'remove' ? await role.remove() : await role.apply();
    for (const { action, what } of steps) print(`${action} ${what}`);
    return true;
  } finally {
    await role.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { namespace: { type: 'string' } },
  });
  const [command = ''] = positionals;
  if (!['apply', 'verify', 'remove'].includes(command)) throw new Error('usage: nat-masquerade.mjs apply|verify|remove');
  // verify reports by its exit status, for monitoring.
  if (!(await run(command, description, { namespace: values.namespace }))) process.exitCode = 1;
}
