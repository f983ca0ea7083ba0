#!/usr/bin/env node
// The program `ipvs`: dispatches its first word to a command.
import { didYouMean } from '../common/did-you-mean.js';
import { build } from './build.js';
import { type Command, CommandFailure, UsageError } from './command.js';
import { readPackage } from './package.js';

const commands: ReadonlyMap<string, Command> = new Map([['build', build]]);

function help(): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  const list = [...commands].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `usage: ipvs COMMAND [OPTION ...]

Commands:
${list.join('')}
\`ipvs COMMAND --help\` describes one. \`ipvs --version\` prints the version.
Exit status: 0 on success, 1 if the command fails, 2 if the command line is wrong.
`;
}

async function run([word, ...words]: readonly string[]): Promise<void> {
  if (word === undefined) {
    process.stderr.write(help());
    process.exitCode = 2;
    return;
  }
  if (word === '--help' || word === '-h') return void process.stdout.write(help());
  if (word === '--version' || word === '-V') return void process.stdout.write(`${readPackage().version}\n`);
  const command = commands.get(word);
  if (!command) {
    const names = [...commands.keys()];
    throw new UsageError(`unknown command "${word}" (commands: ${names.join(', ')})${didYouMean(word, names)}`);
  }
  if (words.includes('--help') || words.includes('-h')) process.stdout.write(command.help);
  else await command.run(words);
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof CommandFailure)) throw error;
  process.stderr.write(`ipvs: ${error.message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
