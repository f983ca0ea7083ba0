// Keeps the director of this machine as a document declares, from inside a container. Traffic does not depend on it:
// the kernel forwards while the container is replaced, and the next one continues from the record in /run/ipvs.
//   DOCUMENT  path of the document (default /etc/director/document.yaml); it is applied again when it changes
//   ADOPT=1   take over what the document wants and no record names: after the record was lost
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DesiredState, IpvsError } from 'ipvs';

/**
 * Applies the document, repairs what other programs change, and deletes drained servers, until the signal aborts. Then
 * everything stays as it is.
 * @param {{ file: string, adopt?: boolean, interval?: number, signal: AbortSignal,
 *   print?: (line: string) => void, kernel?: import('ipvs').DesiredStateOptions['kernel'] }} options
 */
export async function run({ file, adopt = false, interval = 2000, signal, print = console.log, kernel }) {
  let text = await readFile(file, 'utf8');
  const state = await DesiredState.open(text, { kernel });
  const repairing = new AbortController();
  try {
    const apply = async () => {
      for (const { action, what } of await state.apply(text, { adopt })) print(`${action} ${what}`);
    };
    await apply();
    const repaired = (async () => {
      for await (const report of await state.watch({ repair: true, interval, signal: repairing.signal })) {
        for (const { problem, what } of report.drift) print(`${problem}: ${what}`);
        if (report.error) print(report.error.message);
      }
    })();
    repaired.catch(() => {}); // ends with the signal
    while (!signal.aborted) {
      await sleep(interval, undefined, { signal }).catch(() => {});
      const now = await readFile(file, 'utf8').catch(() => text);
      if (now === text || signal.aborted) continue;
      text = now;
      // A document with a mistake must not end the program: the one before it stays in effect.
      await apply().catch((error) => print(`the document is not applied: ${error.message}`));
    }
  } finally {
    repairing.abort();
    await state.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort());
  const { DOCUMENT: file = '/etc/director/document.yaml', ADOPT } = process.env;
  try {
    await run({ file, adopt: ADOPT === '1', signal: stop.signal });
  } catch (error) {
    if (!(error instanceof IpvsError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
}
