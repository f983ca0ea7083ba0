/** IFNAMSIZ: maximum length of an interface name with its NUL, in bytes. */
const LENGTH = 16;

/**
 * Returns the bytes to compare with the name of an interface, as nft writes them: all 16, or only
 * those before a final `*`. A final `\*` is an asterisk that belongs to the name.
 */
export function interfaceBytes(pattern: string): Uint8Array {
  if (isPrefix(pattern)) return Uint8Array.from(Buffer.from(pattern.slice(0, -1), 'latin1'));
  const bytes = new Uint8Array(LENGTH);
  bytes.set(Buffer.from(pattern.replace(/\\\*$/, '*'), 'latin1').subarray(0, LENGTH - 1));
  return bytes;
}

/** Returns the pattern for the bytes of a rule: the inverse of {@link interfaceBytes}. */
export function interfacePattern(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = Buffer.from(bytes.subarray(0, end < 0 ? undefined : end)).toString('latin1');
  if (bytes.length < LENGTH) return text && `${text}*`;
  return text.endsWith('*') ? `${text.slice(0, -1)}\\*` : text;
}

/** Returns true for a pattern such as `veth*`, which matches all names that begin with `veth`. */
export function isPrefix(pattern: string): boolean {
  return pattern.endsWith('*') && !pattern.endsWith('\\*');
}

/** Returns true if an interface with this name matches the pattern. */
export function matchesInterface(name: string | undefined, pattern: string): boolean {
  if (name === undefined) return false;
  return isPrefix(pattern) ? name.startsWith(pattern.slice(0, -1)) : name === pattern.replace(/\\\*$/, '*');
}
