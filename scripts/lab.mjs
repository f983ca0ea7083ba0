// Test networks: hosts are network namespaces, connected by bridges, with programs that run in them. Requires root
// and `ip` of iproute2.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PATIENCE = 60_000; // time limit for a helper to start, in milliseconds: on an emulated machine node takes seconds

/**
 * @typedef {object} HostPlan
 * @property {Readonly<Record<string, readonly string[]>>} [networks] the host's networks, by name (at most
 *   15 characters; the interface has the same name), with its addresses, for example `10.1.0.2/24`
 * @property {readonly string[]} [routes] arguments of `ip route add`: `default via 10.1.0.1`
 * @property {Settings} [sysctls] set before the addresses are added
 */

/** @typedef {Readonly<Record<string, string | number>>} Settings by name: `net.ipv4.ip_forward` */

/** Creates hosts and networks, and deletes all of them in close(). */
export class Lab {
  /** Prefix of the names of all namespaces of the lab. */
  prefix = `ipvs-${process.pid}-${randomBytes(2).toString('hex')}`;
  /** The namespace that holds the bridges. */
  #switch = this.#name('switch');
  /** @type {Host[]} */
  #hosts = [];
  /** @type {Set<string>} */
  #networks = new Set();
  #ports = 0;

  /** The namespaces of the lab that exist now. */
  get namespaces() {
    return this.#hosts.map((host) => host.namespace).filter((name) => existsSync(`/run/netns/${name}`));
  }

  /** @param {string} name */
  host(name) {
    const host = this.#hosts.find((host) => host.name === name);
    if (!host) throw new Error(`this lab has no host ${name}`);
    return host;
  }

  /**
   * Adds hosts by name, and creates the networks that do not exist yet. One call with many hosts is faster than many
   * calls: on an emulated machine each `ip` takes 250 ms.
   * @param {Readonly<Record<string, HostPlan>>} plans
   */
  add(plans) {
    const added = Object.entries(plans).map(([name, plan]) => ({ plan, host: this.#name(name) }));
    const hosts = added.map(({ host }) => host);
    if (this.#hosts.length === 0) hosts.push(this.#switch);
    this.#hosts.push(...hosts); // before they exist, so that close() also deletes a half-created host
    call(['ip', '-batch', '-'], hosts.map((host) => `netns add ${host.namespace}`).join('\n'));
    this.#switch.ip(...added.flatMap(({ host, plan }) => this.#connect(host, plan)));
    for (const { host, plan } of added) host.configure(plan);
  }

  /** @param {string} host */
  #name(host) {
    return new Host(host, `${this.prefix}-${host}`);
  }

  /**
   * @param {Host} host
   * @param {HostPlan} plan
   */
  #connect(host, { networks = {} }) {
    return Object.keys(networks).flatMap((network) => {
      const bridge = [`link add ${network} type bridge mcast_snooping 0`, `link set ${network} up`];
      const port = `port${++this.#ports}`;
      const cable = [
        `link add ${port} type veth peer name ${network} netns ${host.namespace}`,
        `link set ${port} master ${network} up`,
      ];
      if (this.#networks.has(network)) return cable;
      this.#networks.add(network);
      return [...bridge, ...cable];
    });
  }

  /** Stops the helpers and deletes the namespaces, also if add() failed halfway. */
  async close() {
    await Promise.all(this.#hosts.map((host) => host.stopHelpers()));
    const commands = this.namespaces.map((name) => `netns delete ${name}`);
    if (commands.length > 0) call(['ip', '-force', '-batch', '-'], commands.join('\n'));
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

/** A network namespace of a lab; {@link Lab.add} creates it. */
export class Host {
  /** @type {Helper[]} */
  #helpers = [];

  /**
   * @param {string} name
   * @param {string} namespace
   */
  constructor(name, namespace) {
    this.name = name;
    /** Name for `ip netns`. */
    this.namespace = namespace;
  }

  /**
   * Runs `ip` commands, without options of `ip` itself, in one process: `ip('link set lo up', 'route add ...')`.
   * @param {...string} commands
   */
  ip(...commands) {
    return commands.length === 0 ? '' : call(['ip', '-n', this.namespace, '-batch', '-'], commands.join('\n'));
  }

  /**
   * Sets `lo` and the interfaces up; adds addresses and routes. {@link Lab.add} calls it.
   * @param {HostPlan} plan
   */
  configure({ networks = {}, routes = [], sysctls }) {
    if (sysctls) this.setSysctls(sysctls);
    this.ip(
      'link set lo up',
      ...Object.entries(networks).flatMap(([network, addresses]) => [
        `link set ${network} up`,
        // Without nodad an IPv6 address is unusable for 1 to 2 s.
        ...addresses.map((address) => `addr add ${address} dev ${network}${address.includes(':') ? ' nodad' : ''}`),
      ]),
      ...routes.map((route) => `route add ${route}`),
    );
  }

  /**
   * Writes sysctls in the given order. A name with a slash is used unchanged (`net/ipv4/conf/eth0.5/rp_filter`).
   * @param {Settings} settings
   */
  setSysctls(settings) {
    const lines = Object.entries(settings).map(
      ([name, value]) => `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')} ${value}\n`,
    );
    const script = 'while read -r path value; do echo "$value" >"$path" || exit; done';
    call(['ip', 'netns', 'exec', this.namespace, 'sh', '-c', script], lines.join(''));
  }

  /**
   * Runs a command to its end and returns its output.
   * @param {string} command
   * @param {...string} args
   */
  run(command, ...args) {
    return call(['ip', 'netns', 'exec', this.namespace, command, ...args]);
  }

  /**
   * Starts a Node program that runs until the lab is closed, and waits for its line READY (see {@link answer}). The
   * program must exit when its stdin ends, which happens when this process ends.
   * @param {URL | string} program
   * @param {...(string | number)} args
   */
  async start(program, ...args) {
    const file = program instanceof URL ? fileURLToPath(program) : program;
    const command = ['netns', 'exec', this.namespace, process.execPath, file, ...args.map(String)];
    const helper = new Helper(
      `${basename(file)} in ${this.name}`,
      spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    this.#helpers.push(helper);
    await helper.ready;
    return helper;
  }

  async stopHelpers() {
    await Promise.all(this.#helpers.splice(0).map((helper) => helper.stop()));
  }
}

/** A program that runs in a host; {@link Host.start} creates it. */
export class Helper {
  #name;
  #process;
  #exited;
  /** @type {Map<number, { resolve: (answer?: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  #asked = 0;
  /** @type {Error | undefined} */
  #gone;

  /**
   * @param {string} name for messages
   * @param {import('node:child_process').ChildProcessByStdio<import('node:stream').Writable,
   *   import('node:stream').Readable, null>} child
   */
  constructor(name, child) {
    this.#name = name;
    this.#process = child;
    child.stdin.on('error', () => {}); // the program has ended; its exit event reports that
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line));
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(this.#end(error.message)));
      child.once('exit', (status, signal) => resolve(this.#end(`ended: ${signal ?? `status ${status}`}`)));
    });
    /** @type {Promise<void>} */
    this.ready = this.#answerTo(0);
    const timer = setTimeout(() => {
      this.#end(`is not READY after ${PATIENCE / 1000} s`);
      child.kill('SIGKILL');
    }, PATIENCE);
    const ready = () => clearTimeout(timer);
    this.ready.then(ready, ready); // also if it has ended
  }

  /**
   * Sends a question to the program; several may be under way at a time.
   * @param {unknown} question any JSON value
   * @returns {Promise<any>} the reply that the program gives in {@link answer}
   */
  ask(question) {
    const id = ++this.#asked;
    const answered = this.#answerTo(id);
    if (!this.#gone) this.#process.stdin.write(`${JSON.stringify([id, question])}\n`);
    return answered;
  }

  /** Kills the program. */
  async stop() {
    this.#end('was stopped');
    this.#process.kill('SIGKILL');
    await this.#exited;
  }

  /**
   * @param {number} id
   * @returns {Promise<any>}
   */
  #answerTo(id) {
    if (this.#gone) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** @param {string} line */
  #hear(line) {
    if (!line.startsWith('READY') && !line.startsWith('[')) return;
    const [id, error, result] = line.startsWith('READY') ? [0] : JSON.parse(line);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(`${this.#name}: ${error}`));
    else waiting?.resolve(result);
  }

  /** @param {string} how */
  #end(how) {
    this.#gone ??= new Error(`${this.#name} ${how}`);
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
  }
}

/**
 * Runs the program side of a {@link Helper}: prints READY, answers questions, and exits when the process that started
 * it ends.
 * @param {(question: any) => unknown} reply returns the answer, or a promise of it
 */
export function answer(reply) {
  const questions = createInterface({ input: process.stdin });
  questions.on('close', () => process.exit());
  questions.on('line', async (line) => {
    const [id, question] = JSON.parse(line);
    try {
      console.log(JSON.stringify([id, null, await reply(question)]));
    } catch (error) {
      console.log(JSON.stringify([id, String(error)]));
    }
  });
  console.log('READY');
}

/**
 * Adds a client in one network, three servers in another, and a director between them, with IPv4 and IPv6. The servers
 * reply through the director, as NAT forwarding requires.
 * @param {Lab} lab
 */
export function addDirector(lab) {
  const virtual = { ipv4: '10.1.0.100', ipv6: 'fd00:1::100' };
  const servers = [1, 2, 3].map((number) => ({
    name: `server${number}`,
    ipv4: `10.2.0.1${number}`,
    ipv6: `fd00:2::1${number}`,
  }));
  lab.add({
    client: { networks: { clients: ['10.1.0.2/24', 'fd00:1::2/64'] } },
    director: {
      networks: {
        clients: ['10.1.0.1/24', 'fd00:1::1/64', `${virtual.ipv4}/32`, `${virtual.ipv6}/128`],
        servers: ['10.2.0.1/24', 'fd00:2::1/64'],
      },
      sysctls: { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 },
    },
    ...Object.fromEntries(
      servers.map(({ name, ipv4, ipv6 }) => [
        name,
        {
          networks: { servers: [`${ipv4}/24`, `${ipv6}/64`] },
          routes: ['default via 10.2.0.1', 'default via fd00:2::1'],
        },
      ]),
    ),
  });
  return {
    client: lab.host('client'),
    director: lab.host('director'),
    virtual,
    servers: servers.map(({ name, ...addresses }) => ({ host: lab.host(name), ...addresses })),
  };
}

/**
 * @param {readonly string[]} command
 * @param {string} [input]
 * @returns {string} its output
 */
function call(command, input = '') {
  const [program = '', ...args] = command;
  try {
    return execFileSync(program, args, { input, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    // The message has the output on stderr; for a batch it names the line, so add the input.
    throw new Error(`${/** @type {Error} */ (error).message.trim()}${input && `\n${input}`}`, { cause: error });
  }
}
