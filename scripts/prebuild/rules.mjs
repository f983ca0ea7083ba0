// The rules that a prebuilt binary must obey to run on every system that it is for.

/** @import { SharedObject } from './elf.mjs' */

export const TARGETS = ['x64-glibc', 'arm64-glibc', 'x64-musl', 'arm64-musl'];

/** The newest glibc that may be required: that of Debian 10, RHEL 8 and the official builds of Node.js. */
const NEWEST_GLIBC = [2, 28];

/** Size limit, in bytes: four binaries fit into the size limit of the package. */
const MOST_BYTES = 1_600_000;

/** The functions that Node calls. native/exports.map lists the same. */
const EXPORTED = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/** The libraries of glibc itself; libstdc++ and libgcc are linked statically. */
const GLIBC_LIBRARIES =
  /^(?:libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|ld-linux-x86-64\.so\.2|ld-linux-aarch64\.so\.1)$/;

/**
 * Returns the highest version of glibc that is needed, for example `[2, 17]`.
 * @param {readonly string[]} versions
 * @returns {number[] | undefined}
 */
export function highestGlibc(versions) {
  return versions
    .flatMap((version) => /^GLIBC_([\d.]+)$/.exec(version)?.[1] ?? [])
    .map((version) => version.split('.').map(Number))
    .sort(compare)
    .at(-1);
}

/**
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 */
function compare(a, b) {
  return (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0) || (a[2] ?? 0) - (b[2] ?? 0);
}

/**
 * Returns the rules that a binary breaks, as sentences.
 * @param {string} target `x64-glibc`, `arm64-musl`, ...
 * @param {SharedObject} found
 * @param {number} bytes size of the file
 * @returns {string[]}
 */
export function faultsOf(target, found, bytes) {
  const [arch, libc] = target.split('-');
  const faults = [];
  if (found.machine !== arch) faults.push(`is for ${found.machine}`);
  if (found.exported.join() !== EXPORTED.join()) {
    const list = found.exported.slice(0, 5).join(', ');
    faults.push(`exports ${found.exported.length} symbols (${list}) instead of ${EXPORTED.join(' and ')}`);
  }
  if (bytes > MOST_BYTES) faults.push(`has ${bytes} bytes, and at most ${MOST_BYTES} are allowed`);
  const foreign = found.needed.filter((name) => (libc === 'musl' ? name !== 'libc.so' : !GLIBC_LIBRARIES.test(name)));
  if (foreign.length > 0) faults.push(`needs ${foreign.join(', ')}, which is not part of ${libc}`);
  if (found.needed.length === 0) faults.push('needs no library at all: the loader would not bind it to the C library');
  const versions = found.versions.filter((version) => !/^GLIBC_[\d.]+$/.test(version));
  if (versions.length > 0) faults.push(`needs the symbol versions ${versions.join(', ')}`);
  const glibc = highestGlibc(found.versions);
  if (libc === 'musl' && glibc) faults.push(`needs glibc ${glibc.join('.')}`);
  if (libc === 'glibc' && !glibc) faults.push('needs no version of glibc');
  if (glibc && compare(glibc, NEWEST_GLIBC) > 0) {
    faults.push(`needs glibc ${glibc.join('.')}, and ${NEWEST_GLIBC.join('.')} is the newest allowed`);
  }
  return faults;
}
