// A node of a cluster between a client outside and three pods, and what it serves.
import type { Lab } from '../../scripts/lab.mjs';
import type { NodeRole, NodeServer, NodeService } from '../../src/index.js';

export const NODE = '192.168.5.1';
export const NODE6 = 'fd05::1';
export const OUTSIDE = '192.168.5.10';
export const EXTERNAL = '192.168.5.100';
/** Of pods on the node, on their side; also what a masqueraded client looks like. */
export const GATEWAY = '10.2.0.1';

/** pod1 and pod2 are on the node; pod3 stands for one elsewhere. */
export const pod = (number: number, family: 4 | 6 = 4): NodeServer => ({
  address: family === 4 ? `10.2.0.1${number}` : `fd02::1${number}`,
  port: 8080,
  ...(number < 3 && { local: true }),
});

export const web: NodeService = {
  protocol: 'tcp',
  clusterAddress: '10.96.0.10',
  port: 80,
  nodePort: 30080,
  servers: [pod(1), pod(2), pod(3)],
};
export const dns: NodeService = { ...web, protocol: 'udp', clusterAddress: '10.96.0.11', port: 53, nodePort: 30053 };
export const alone: NodeService = { protocol: 'tcp', clusterAddress: '10.96.0.12', port: 80, servers: [pod(1)] };
export const elsewhere: NodeService = { protocol: 'tcp', clusterAddress: '10.96.0.13', port: 80, servers: [pod(3)] };
export const kept: NodeService = {
  ...web,
  clusterAddress: '10.96.0.14',
  nodePort: 30081,
  externalAddresses: [EXTERNAL],
  externalTrafficPolicy: 'local',
  servers: [pod(1), pod(3)],
};
export const sticky: NodeService = {
  ...web,
  clusterAddress: '10.96.0.15',
  nodePort: undefined,
  sessionAffinity: 10_800,
};
export const web6: NodeService = { ...web, clusterAddress: 'fd96::10', servers: [pod(1, 6), pod(2, 6), pod(3, 6)] };
export const dns6: NodeService = { ...web6, protocol: 'udp', port: 53, nodePort: 30053 };

export const description: NodeRole = {
  role: 'node',
  nodeAddresses: [NODE, NODE6],
  clusterNetwork: ['10.2.0.0/16', 'fd02::/16'],
  services: [web, dns, alone, elsewhere, kept, sticky, web6, dns6],
};

export function addCluster(lab: Lab): void {
  // Each pod is alone on its network: what it sends to another goes through the node.
  const podPlan = (number: number) => ({
    networks: { pods: [`10.2.0.1${number}/32`, `fd02::1${number}/128`] },
    routes: [`${GATEWAY} dev pods`, `default via ${GATEWAY}`, 'fd02::1 dev pods', 'default via fd02::1'],
    sysctls: { 'net.ipv4.conf.all.accept_redirects': 0, 'net.ipv6.conf.all.accept_redirects': 0 },
  });
  lab.add({
    outside: {
      networks: { lan: [`${OUTSIDE}/24`, 'fd05::10/64'] },
      routes: [`10.96.0.0/16 via ${NODE}`, `fd96::/64 via ${NODE6}`],
    },
    node: {
      networks: { lan: [`${NODE}/24`, `${NODE6}/64`], pods: [`${GATEWAY}/24`, 'fd02::1/64'] },
      sysctls: { 'net.ipv4.conf.all.send_redirects': 0, 'net.ipv4.conf.pods.send_redirects': 0 },
    },
    pod1: podPlan(1),
    pod2: podPlan(2),
    pod3: podPlan(3),
  });
}
