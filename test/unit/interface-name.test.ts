import { describe, expect, test } from 'vitest';
import { checkInterfaceName, checkNewInterfaceName, isInterfaceName } from '../../src/common/interface-name.js';
import { daemonSettings } from '../../src/ipvs/daemon.js';
import { checkLink } from '../../src/network/link-options.js';

/** Names that dev_valid_name (net/core/dev.c) rejects: it looks at bytes, and 0xa0 is white space for it. */
const rejected = ['', '.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'a\u00a0b', 'à', 'a\0', '0123456789abcdef', 'éééééééé'];
/** Names that it accepts. U+3000 is no white space for the kernel: its bytes are e3 80 80. */
const accepted = ['a', 'eth0.100', 'veth%d', '...', '0123456789abcde', 'é', '\u3000', '-', '*', '"'];

/** Objects that name an interface by its main name. */
const users: Readonly<Record<string, (name: string) => unknown>> = {
  'a synchronisation daemon': (name) => daemonSettings({ role: 'backup', interface: name }),
  'a new link': (name) => checkLink({ kind: 'dummy', name }),
};

describe('the name of an interface', () => {
  test.each(rejected)('%j is rejected', (name) => {
    expect(isInterfaceName(name, 15)).toBe(false);
    expect(() => checkInterfaceName('device', name, 15)).toThrow(/^device must be the name of an interface/);
  });

  test.each(accepted)('%j is accepted', (name) => {
    expect(checkInterfaceName('device', name, 15)).toBe(name);
  });

  test('an existing interface may have an alternative name of up to 127 bytes', () => {
    expect(checkInterfaceName('device', 'a'.repeat(127))).toHaveLength(127);
    expect(() => checkInterfaceName('device', 'a'.repeat(128))).toThrow('of 1 to 127 bytes');
    expect(() => checkNewInterfaceName('name', 'a'.repeat(16))).toThrow('of 1 to 15 bytes');
  });

  test('a new interface has no percent sign in its name', () => {
    expect(() => checkNewInterfaceName('name', 'veth%d')).toThrow('which the kernel replaces by a number');
  });

  test.each(Object.entries(users))('%s has the same rule', (_, check) => {
    for (const name of rejected) expect(() => check(name), name).toThrow('must be the name of an interface');
    for (const name of ['eth0', 'eth0.100', 'é']) expect(() => check(name), name).not.toThrow();
  });
});
