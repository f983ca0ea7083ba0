import { expect, test } from 'vitest';
import { failure } from '../place.js';
import type { World } from './world.js';

export function settingConformance(world: () => World): void {
  test('timeouts: what is 0 stays', async () => {
    const { ipvs } = world();
    await ipvs.setTimeouts({ tcp: 900, tcpFin: 120, udp: 300 });
    expect(await ipvs.timeouts()).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
    await ipvs.setTimeouts({ tcp: 66 });
    await ipvs.setTimeouts({ udp: 7 });
    expect(await ipvs.timeouts()).toEqual({ tcp: 66, tcpFin: 120, udp: 7 });
    await ipvs.setTimeouts({ tcp: 900, udp: 300 });
  });

  test('sysctls: the defaults', async () => {
    const { ipvs } = world();
    const sysctls = await ipvs.sysctls();
    expect(sysctls).toMatchObject({
      am_droprate: 10,
      amemthresh: 1024,
      backup_only: false,
      cache_bypass: false,
      conn_reuse_mode: 1,
      conntrack: false,
      drop_entry: 0,
      drop_packet: 0,
      expire_nodest_conn: false,
      expire_quiescent_template: false,
      ignore_tunneled: false,
      nat_icmp_send: false,
      pmtu_disc: true,
      run_estimation: true,
      schedule_icmp: false,
      secure_tcp: 0,
      sloppy_sctp: false,
      sloppy_tcp: false,
      snat_reroute: true,
      sync_persist_mode: 0,
      sync_ports: 1,
      sync_refresh_period: 0,
      sync_retries: 0,
      sync_sock_size: 0,
      sync_threshold: [3, 50],
      sync_version: 1,
    });
    expect(sysctls.sync_qlen_max).toBeGreaterThan(0);
  });

  test('sysctls: what is written is read', async () => {
    const { ipvs } = world();
    await ipvs.setSysctl('conntrack', true);
    await ipvs.setSysctl('conn_reuse_mode', 0);
    await ipvs.setSysctl('sync_threshold', [5, 60]);
    await ipvs.setSysctl('sync_ports', 4);
    expect(await ipvs.sysctls()).toMatchObject({
      conntrack: true,
      conn_reuse_mode: 0,
      sync_threshold: [5, 60],
      sync_ports: 4,
    });
    await ipvs.setSysctl('sync_threshold', [3, 50]);
    await ipvs.setSysctl('sync_ports', 1);
    await ipvs.setSysctl('conn_reuse_mode', 1);
    await ipvs.setSysctl('conntrack', false);
  });

  test.each([
    ['sync_ports', 3],
    ['sync_ports', 0],
    ['sync_version', 2],
    ['sync_retries', 4],
    ['drop_entry', 4],
    ['drop_packet', -1],
    ['secure_tcp', 4],
    ['sync_threshold', [60, 5]],
  ] as const)('sysctls: %s is not %j', async (name, value) => {
    const { ipvs } = world();
    expect(await failure(ipvs.setSysctl(name, value as never))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
  });
}
