import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';

/** Path of the program in the package of node-gyp. */
const program = 'bin/node-gyp.js';

/**
 * Returns the path of node-gyp: of the project that installed this package, of `npm_config_node_gyp`, which npm sets for
 * the programs that it starts, or of the npm in `PATH`.
 */
export function findNodeGyp(root: string, environment: NodeJS.ProcessEnv): string | undefined {
  const { npm_config_node_gyp: configured, npm_execpath: running, PATH: path = '' } = environment;
  return (
    installed(root) ??
    (configured !== undefined && existsSync(configured) ? configured : undefined) ??
    [running, findProgram('npm', path)].map((npm) => npm && bundledWith(npm)).find(Boolean)
  );
}

function installed(root: string): string | undefined {
  try {
    return createRequire(join(root, 'package.json')).resolve(`node-gyp/${program}`);
  } catch {
    return undefined;
  }
}

/** Returns the node-gyp that an npm has in its own package, given the path of a program of npm. */
function bundledWith(npm: string): string | undefined {
  if (!existsSync(npm)) return undefined;
  return installed(dirname(dirname(realpathSync(npm))));
}

/** Returns the path of an executable file in the folders of `PATH`. */
export function findProgram(name: string, path: string): string | undefined {
  if (name.includes('/')) return existsSync(name) ? name : undefined;
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
