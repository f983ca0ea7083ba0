// Balances real HTTP requests between two servers of this process, then drains one of them: as root,
//   node first-request.mjs
// It works in a network namespace of its own, and leaves nothing behind. Where the kernel has no IPVS:
//   npx ipvs-with-kernel -- node first-request.mjs
import { execFileSync } from 'node:child_process';
import { createServer, get } from 'node:http';
import { addNamespace, deleteNamespace, Ipvs, Network } from 'ipvs';

// This program starts itself again inside the namespace, where its sockets are.
const [namespace] = process.argv.slice(2);
if (namespace === undefined) {
  const name = `first-request-${process.pid}`;
  await addNamespace(name);
  try {
    const network = await Network.open({ namespace: name });
    await network.updateLink('lo', { up: true });
    await network.close();
    const command = [`--net=/run/netns/${name}`, process.execPath, import.meta.filename, name];
    execFileSync('nsenter', command, { stdio: 'inherit' });
  } finally {
    await deleteNamespace(name);
  }
} else {
  const servers = ['127.0.0.2', '127.0.0.3'].map((address) =>
    createServer((_request, response) => response.end(address)).listen(8080, address),
  );
  const ipvs = await Ipvs.open();
  const web = await ipvs.addService({ protocol: 'tcp', address: '127.0.0.1', port: 80, scheduler: 'rr' });
  const first = await web.addServer({ address: '127.0.0.2', port: 8080 });
  await web.addServer({ address: '127.0.0.3', port: 8080 });
  console.log('both servers:', await answers(4));
  await first.update({ weight: 0 });
  console.log('127.0.0.2 gets no new connections:', await answers(4));
  // Address, forwarding method, weight, active and inactive connections: a closed connection counts for two minutes.
  for (const server of await web.servers()) console.log(String(server));
  await ipvs.close();
  for (const server of servers) server.close();
}

/** Sends requests to the virtual service, each with a connection of its own, and returns who answered. */
async function answers(count) {
  const names = [];
  for (let i = 0; i < count; i++) {
    names.push(
      await new Promise((resolve, reject) => {
        const request = get({ host: '127.0.0.1', port: 80, agent: false }, (response) => {
          response.setEncoding('utf8').once('data', resolve);
        });
        request.once('error', reject);
      }),
    );
  }
  return names.join(' ');
}
