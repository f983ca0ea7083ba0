import { checkCallOptions, checkOneOf, checkOptions, isText, show } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { limits } from '../common/limits.js';
import { isStableSecret } from '../common/sysctl-values.js';
import type { CallOptions } from '../kernel/call.js';
import { interfaceOfSysctl, readMainNames, sysctlOf } from '../kernel/network/main-names.js';
import type { Context } from './context.js';
import { errorFor } from './errors.js';

/**
 * A setting of this namespace, below `/proc/sys/net`: that of an interface (`all` and `default` count as interfaces,
 * too; an alternative name is resolved), or a path: with dots (`net.ipv4.ip_forward`), or with slashes, if a name in it
 * has dots (`net/ipv4/conf/eth0.100/rp_filter`).
 */
export type NetworkSysctl =
  | string
  | {
      /** Family of the setting: `net/ipv4` or `net/ipv6`. */
      readonly family: 'ipv4' | 'ipv6';
      /** Main or alternative name of the interface, or `all`, or `default`. */
      readonly interface: string;
      /** Name of the setting, such as `arp_ignore`. */
      readonly name: string;
    };

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function sysctlPath(sysctl: NetworkSysctl): string {
  if (typeof sysctl === 'string' && !isText(sysctl, limits.path))
    throw invalid(`the name of a sysctl has at most ${limits.path} characters and no NUL, unlike ${show(sysctl)}`);
  if (typeof sysctl === 'string') return pathOf(sysctl, sysctl.split(sysctl.includes('/') ? '/' : '.'));
  checkOptions('a sysctl', sysctl, ['family', 'interface', 'name']);
  const family = checkOneOf('family', sysctl.family, ['ipv4', 'ipv6']);
  const name = checkInterfaceName('interface', sysctl.interface);
  if (typeof sysctl.name !== 'string' || !/^\w+$/.test(sysctl.name))
    throw invalid(`name must be that of a setting, such as arp_ignore, not ${show(sysctl.name)}`);
  return pathOf(sysctl, ['net', family, 'conf', name, sysctl.name]);
}

function pathOf(sysctl: NetworkSysctl, parts: readonly string[]): string {
  const fine = parts.every((part) => /^[^\s/\0]+$/.test(part) && part !== '.' && part !== '..');
  if (!fine || parts[0] !== 'net' || parts.length < 2)
    throw invalid(`a sysctl is named net.ipv4.ip_forward, or net/ipv4/ip_forward, not ${show(sysctl)}`);
  return `/proc/sys/${parts.join('/')}`;
}

function checkValue(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (isText(value, limits.sysctlValue) && !value.includes('\n')) return value;
  throw invalid(`the value of a sysctl must be a line of text, an integer, true or false, not ${show(value)}`);
}

/**
 * Reads a setting. If the file does not exist, tries the main name of the interface, because /proc/sys has no other.
 */
async function read(
  context: Context,
  given: string,
  options: CallOptions | undefined,
): Promise<{ readonly path: string; readonly value: string }> {
  const work = async (path: string): Promise<readonly [string, string | number | undefined]> => {
    const [text] = await context.port.readFiles([path], options);
    const name = text === Errno.ENOENT ? interfaceOfSysctl(path) : undefined;
    const main = name === undefined ? undefined : (await readMainNames(context.port, [name], options)).get(name);
    return main === undefined || main === name ? [path, text] : work(sysctlOf(path, main));
  };
  const [path, text] = await context.ask({ command: 'READ_FILE', action: 'read', object: given, options }, () =>
    work(given),
  );
  if (typeof text === 'string') return { path, value: text.trim() };
  // The kernel has no secret until one is written (addrconf_sysctl_stable_secret in net/ipv6/addrconf.c).
  if (text === Errno.EIO && isStableSecret(path.slice('/proc/sys/'.length))) return { path, value: '' };
  throw errorFor({ command: 'READ_FILE', action: 'read', object: path }, text ?? Errno.EIO);
}

/** Reads a setting. A `stable_secret` that was never set reads as an empty text. */
export async function readSysctl(context: Context, sysctl: NetworkSysctl, options?: CallOptions): Promise<string> {
  checkCallOptions(options);
  return (await read(context, sysctlPath(sysctl), options)).value;
}

/** Writes a setting. Returns the value before. */
export async function writeSysctl(
  context: Context,
  sysctl: NetworkSysctl,
  value: unknown,
  options?: CallOptions,
): Promise<string> {
  checkCallOptions(options);
  const given = sysctlPath(sysctl);
  const checked = checkValue(value);
  // The kernel ignores a write of no bytes: write an empty value as an empty line.
  const text = checked.trim() === '' ? '\n' : checked;
  const { path, value: before } = await read(context, given, options);
  await context.ask({ command: 'WRITE_FILE', action: 'write', object: path, options }, () =>
    context.port.writeFile(path, text, options),
  );
  return before;
}
