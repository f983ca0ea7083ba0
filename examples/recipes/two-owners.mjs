// Two programs manage one director without knowing each other: `web` and `dns` have documents of their own, and both
// add servers to the service that they share.
//   node two-owners.mjs
// An owner changes and deletes only what it made. A service of another owner is a conflict, and nothing is done.
import { DesiredState, IpvsError } from 'ipvs';

const shared = { protocol: 'tcp', address: '198.51.100.9', port: 8443, scheduler: 'rr', shared: true };

export const web = {
  owner: 'web',
  services: [
    { protocol: 'tcp', address: '198.51.100.1', port: 80, servers: ['10.0.0.11', '10.0.0.12'] },
    { ...shared, servers: ['10.0.0.11'] },
  ],
};
export const dns = {
  owner: 'dns',
  services: [
    { protocol: 'udp', address: '198.51.100.2', port: 53, servers: ['10.0.0.21'] },
    { ...shared, servers: ['10.0.0.21'] },
  ],
};

/** Applies both documents, shows a conflict, and removes what each owner made. */
export async function demonstrate(options = {}, print = console.log) {
  const states = [await DesiredState.open(web, options), await DesiredState.open(dns, options)];
  const [first, second] = states;
  try {
    for (const state of states)
      for (const { action, what } of await state.apply()) print(`${state.owner}: ${action} ${what}`);

    // The owner `dns` also wants the address of `web`, with another server.
    const greedy = { ...dns, services: [{ ...web.services[0], servers: ['10.0.0.21'] }] };
    const conflict = await second.apply(greedy).catch((error) => error);
    if (!(conflict instanceof IpvsError && conflict.code === 'ERR_IPVS_FOREIGN')) throw conflict;
    print(`dns: ${conflict.message}`);

    await second.remove();
    print(`web still differs in ${(await first.verify()).length} objects`);
    await first.remove();
  } finally {
    for (const state of states) await state.close();
  }
}

if (process.argv[1] === import.meta.filename) await demonstrate();
