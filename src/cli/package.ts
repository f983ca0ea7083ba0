import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const require = createRequire(import.meta.url);

/** Returns the folder of this package. It finds itself by its name: a bundle is in another folder than its sources. */
export function packageRoot(): string {
  return dirname(require.resolve('ipvs/package.json'));
}

/** Returns what is used of the package's description. */
export function readPackage(): { readonly version: string } {
  return require('ipvs/package.json');
}
