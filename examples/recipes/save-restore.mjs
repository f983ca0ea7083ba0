// Saves the IPVS table of a namespace, and restores it without emptying it first.
//   node save-restore.mjs save table.rules        as `ipvsadm -Sn` writes it, with the thresholds that ipvsadm omits
//   node save-restore.mjs restore table.rules     also reads what `ipvsadm -Sn` wrote
// `ipvsadm-restore` deletes the table and builds it anew: between the two, packets find no service. Here services and
// servers that are as saved keep their connections, and only the rest changes.
import { readFile, writeFile } from 'node:fs/promises';
import { DesiredState, formatIpvsadm, Ipvs, parseIpvsadm, savedServices } from 'ipvs';

/** @param {import('ipvs').IpvsOptions} [options] @returns {Promise<string>} */
export async function save(options = {}) {
  const ipvs = await Ipvs.open(options);
  try {
    return formatIpvsadm(savedServices(await ipvs.table({ consistent: true })));
  } finally {
    await ipvs.close();
  }
}

/**
 * Makes the whole table exactly what the text has, also services of other programs.
 * @param {string} text @param {import('ipvs').DesiredStateOptions} [options]
 * @returns {Promise<string[]>} what was done
 */
export async function restore(text, options = {}) {
  // Without a record the table belongs to no owner afterwards, as after `ipvsadm-restore`.
  const state = await DesiredState.open({ owner: 'restore', services: parseIpvsadm(text) }, { ...options, record: false });
  try {
    const steps = await state.apply(undefined, { adopt: 'all' });
    return steps.filter(({ action }) => action !== 'adopt').map(({ action, what }) => `${action} ${what}`);
  } finally {
    await state.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const [command, file] = process.argv.slice(2);
  if (!file) throw new Error('usage: save-restore.mjs save|restore FILE');
  if (command === 'save') await writeFile(file, await save());
  else for (const line of await restore(await readFile(file, 'utf8'))) console.log(line);
}
