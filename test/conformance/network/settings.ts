import { describe, expect, test } from 'vitest';
import { failure } from '../places.js';
import type { Worlds } from './worlds.js';

export function settingConformance({ start }: Worlds): void {
  describe('settings', () => {
    const sysctl = (name: string, setting: string, family: 'ipv4' | 'ipv6' = 'ipv4') => ({
      family,
      interface: name,
      name: setting,
    });

    test('those of interfaces come, move and go with them', async () => {
      const here = await start();
      const { network } = here;
      const missing = { code: 'ERR_IPVS_NO_SUCH_SYSCTL', errnoName: 'ENOENT' };
      expect(await failure(network.sysctl(sysctl('br0', 'rp_filter')))).toEqual(missing);
      await network.setSysctl(sysctl('default', 'arp_ignore'), 1);
      await network.addLink({ kind: 'bridge', name: 'br0' });
      expect(await network.sysctl(sysctl('br0', 'arp_ignore'))).toBe('1');
      expect(await network.setSysctl(sysctl('br0', 'arp_ignore'), 2)).toBe('1');
      await network.updateLink('br0', { name: 'br1' });
      expect(await network.sysctl(sysctl('br1', 'arp_ignore'))).toBe('2');
      expect(await failure(network.sysctl(sysctl('br0', 'arp_ignore')))).toEqual(missing);
      await network.deleteLink('br1');
      expect(await failure(network.sysctl(sysctl('br1', 'arp_ignore')))).toEqual(missing);
      expect(await failure(network.setSysctl(sysctl('lo', 'rp_filter'), 'much'))).toEqual({
        code: 'ERR_IPVS_REJECTED',
        errnoName: 'EINVAL',
      });
    });

    test('that of `default` is followed by those that have none of their own', async () => {
      const { network } = await start();
      for (const name of ['br0', 'br1', 'br2']) await network.addLink({ kind: 'bridge', name });
      await network.setSysctl(sysctl('br1', 'arp_announce'), 1);
      await network.addAddress({ interface: 'br2', address: '10.1.0.1/24' });
      await network.setSysctl(sysctl('default', 'arp_announce'), 2);
      const read = (name: string): Promise<string> => network.sysctl(sysctl(name, 'arp_announce'));
      expect([await read('all'), await read('br0'), await read('br1'), await read('br2')]).toEqual([
        '0',
        '2',
        '1',
        '0',
      ]);
    });

    test('an IPv6 setting of all sets those of each, for some', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'bridge', name: 'br0' });
      const set = ['forwarding', 'disable_ipv6', 'addr_gen_mode', 'ignore_routes_with_linkdown'];
      const plain = ['proxy_ndp', 'accept_redirects', 'keep_addr_on_down'];
      for (const setting of [...set, ...plain]) {
        const before = await network.sysctl(sysctl('br0', setting, 'ipv6'));
        const value = before === '0' ? '1' : '0';
        const expected = set.includes(setting) ? value : before;
        await network.setSysctl(sysctl('all', setting, 'ipv6'), value);
        for (const name of ['default', 'br0'])
          expect([setting, name, await network.sysctl(sysctl(name, setting, 'ipv6'))]).toEqual([
            setting,
            name,
            expected,
          ]);
        await network.setSysctl(sysctl('all', setting, 'ipv6'), before);
      }
    });

    test('reads a list of ports in its own form', async () => {
      const { network } = await start();
      const name = 'net.ipv4.ip_local_reserved_ports';
      expect(await network.sysctl(name)).toBe('');
      for (const [written, is] of [
        ['8080,8081,9000', '8080-8081,9000'],
        ['9000,8080-8090,8085-8100', '8080-8100,9000'],
        ['010,020', '8,16'],
        ['0x10', '16'],
        ['80-80', '80'],
        ['', ''],
      ] as const) {
        await network.setSysctl(name, written);
        expect(await network.sysctl(name)).toBe(is);
      }
      const invalid = { code: 'ERR_IPVS_REJECTED', errnoName: 'EINVAL' };
      for (const written of ['5-3', '08', '8080, 8081', '70000', 'x'])
        expect(await failure(network.setSysctl(name, written))).toEqual(invalid);
      await network.setSysctl('net.ipv4.conf.lo.rp_filter', '02');
      expect(await network.sysctl('net.ipv4.conf.lo.rp_filter')).toBe('2');
      for (const written of ['', '08', '+1'])
        expect(await failure(network.setSysctl('net.ipv4.conf.lo.rp_filter', written))).toEqual(invalid);
    });

    test('ip_forward is that of all, and sets those of each', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'bridge', name: 'br0' });
      const state = async (): Promise<string[]> => [
        await network.sysctl('net.ipv4.ip_forward'),
        await network.sysctl(sysctl('all', 'forwarding')),
        await network.sysctl(sysctl('default', 'forwarding')),
        await network.sysctl(sysctl('br0', 'forwarding')),
        await network.sysctl(sysctl('all', 'accept_redirects')),
        await network.sysctl(sysctl('br0', 'accept_redirects')),
      ];
      await network.setSysctl('net.ipv4.ip_forward', 0);
      await network.setSysctl(sysctl('br0', 'forwarding'), 1);
      expect((await state()).slice(0, 4)).toEqual(['0', '0', '0', '1']);
      await network.setSysctl('net.ipv4.ip_forward', 1);
      expect(await state()).toEqual(['1', '1', '1', '1', '0', '1']);
      await network.setSysctl(sysctl('all', 'forwarding'), 0);
      expect(await state()).toEqual(['0', '0', '0', '0', '1', '1']);
      await network.setSysctl(sysctl('all', 'forwarding', 'ipv6'), 1);
      expect(await network.sysctl(sysctl('br0', 'forwarding', 'ipv6'))).toBe('1');
      expect(await network.sysctl(sysctl('default', 'forwarding', 'ipv6'))).toBe('1');
    });
  });
}
