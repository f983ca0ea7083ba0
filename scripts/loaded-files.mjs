// Prints the files of JavaScript that importing a module loads, as a list in JSON: loaded-files.mjs MODULE
import { Session } from 'node:inspector';

const [module = ''] = process.argv.slice(2);
/** @type {string[]} */
const files = [];
const session = new Session();
session.connect();
session.on('Debugger.scriptParsed', ({ params: { url } }) => {
  if (url !== '' && !url.startsWith('node:')) files.push(url);
});
session.post('Debugger.enable'); // reports the scripts that are loaded already, this one too
files.length = 0;
await import(module);
session.disconnect();
console.log(JSON.stringify(files));
