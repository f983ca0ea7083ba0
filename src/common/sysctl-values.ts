/** Matches a list of numbers and ranges, such as `8080-8081,9000`. */
const LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
/** Matches a number with a leading 0 and a digit 8 or 9, which the kernel rejects as octal. */
const NOT_OCTAL = /(^|[-,])0\d*[89]/;

/**
 * Returns true if two texts of a sysctl have the same meaning for the kernel. They may differ in white space, in
 * hexadecimal and octal numbers (`strtoul` with base 0 in kernel/sysctl.c), and in lists whose ranges overlap, touch
 * or are out of order (`proc_do_large_bitmap`). An empty value equals only an empty value.
 */
export function isSameSysctlValue(one: string, other: string): boolean {
  return one === other || canonicalSysctlValue(one) === canonicalSysctlValue(other);
}

/** Returns one spelling for all texts with the same meaning. */
export function canonicalSysctlValue(text: string): string {
  return text.trim().split(/\s+/).map(canonicalWord).join(' ');
}

function canonicalWord(word: string): string {
  if (/^-?(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(word)) return canonicalNumber(word);
  return LIST.test(word) && !NOT_OCTAL.test(word) ? canonicalList(word) : word;
}

function canonicalNumber(word: string): string {
  const negative = word.startsWith('-');
  const digits = negative ? word.slice(1) : word;
  const number = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return String(negative ? -number : number);
}

function canonicalList(word: string): string {
  const ranges = word
    .split(',')
    .map((part) => part.split('-').map((number) => BigInt(canonicalNumber(number))))
    .map(([first = 0n, last = first]) => ({ first, last }))
    .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const merged: { first: bigint; last: bigint }[] = [];
  for (const { first, last } of ranges) {
    const before = merged.at(-1);
    if (!before || first > before.last + 1n) merged.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return merged.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(',');
}

/**
 * Returns true if the path below /proc/sys is that of a secret for stable IPv6 addresses. The kernel cannot read a
 * secret that was never written, and cannot delete one.
 */
export function isStableSecret(path: string): boolean {
  return /^net\/ipv6\/conf\/[^/]+\/stable_secret$/.test(path);
}
