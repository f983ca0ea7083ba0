// Networks to try things in: hosts are network namespaces, joined by bridges, with programs that
// run in them. It takes root, and `ip` of iproute2.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PATIENCE = 60_000; // milliseconds for a helper to get ready: in an emulated machine node takes seconds

/**
 * @typedef {object} HostPlan
 * @property {Readonly<Record<string, readonly string[]>>} [networks] those it is in, by name (at most
 *   15 characters; its interface has the same), with its addresses there: `10.1.0.2/24`
 * @property {readonly string[]} [routes] as `ip route add` takes them: `default via 10.1.0.1`
 * @property {Settings} [sysctls] set before there are addresses
 */

/** @typedef {Readonly<Record<string, string | number>>} Settings by name: `net.ipv4.ip_forward` */

/** Makes hosts and networks, and takes all of them away again. */
export class Lab {
  /** What the names of its namespaces begin with. */
  prefix = `ipvs-${process.pid}-${randomBytes(2).toString('hex')}`;
  /** Where the bridges are. */
  #switch = this.#name('switch');
  /** @type {Host[]} */
  #hosts = [];
  /** @type {Set<string>} */
  #networks = new Set();
  #ports = 0;

  /** Those of its namespaces that are there now. */
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
   * Adds hosts, by name, and those of their networks that are not there yet. Many at once are
   * faster than one by one: where the machine is emulated, each `ip` takes a quarter of a second.
   * @param {Readonly<Record<string, HostPlan>>} plans
   */
  add(plans) {
    const added = Object.entries(plans).map(([name, plan]) => ({ plan, host: this.#name(name) }));
    const hosts = added.map(({ host }) => host);
    if (this.#hosts.length === 0) hosts.push(this.#switch);
    this.#hosts.push(...hosts); // before they exist: what is half made is taken away, too
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

  /** Ends the helpers and deletes the namespaces, also of a lab that is half built. */
  async close() {
    await Promise.all(this.#hosts.map((host) => host.stopHelpers()));
    const commands = this.namespaces.map((name) => `netns delete ${name}`);
    if (commands.length > 0) call(['ip', '-force', '-batch', '-'], commands.join('\n'));
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

/** A network namespace of a lab; {@link Lab.add} makes it. */
export class Host {
  /** @type {Helper[]} */
  #helpers = [];

  /**
   * @param {string} name
   * @param {string} namespace
   */
  constructor(name, namespace) {
    this.name = name;
    /** As `ip netns` has it. */
    this.namespace = namespace;
  }

  /**
   * Commands of `ip`, without options of `ip` itself, in one process: `ip('link set lo up', 'route add ...')`.
   * @param {...string} commands
   */
  ip(...commands) {
    return commands.length === 0 ? '' : call(['ip', '-n', this.namespace, '-batch', '-'], commands.join('\n'));
  }

  /**
   * Brings `lo` and the interfaces up. For {@link Lab.add}.
   * @param {HostPlan} plan
   */
  configure({ networks = {}, routes = [], sysctls }) {
    if (sysctls) this.setSysctls(sysctls);
    this.ip(
      'link set lo up',
      ...Object.entries(networks).flatMap(([network, addresses]) => [
        `link set ${network} up`,
        // Without nodad an IPv6 address is of no use for a second or two.
        ...addresses.map((address) => `addr add ${address} dev ${network}${address.includes(':') ? ' nodad' : ''}`),
      ]),
      ...routes.map((route) => `route add ${route}`),
    );
  }

  /**
   * In this order. A name with a slash is taken as it is (`net/ipv4/conf/eth0.5/rp_filter`).
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
   * Runs a command to its end and gives what it printed.
   * @param {string} command
   * @param {...string} args
   */
  run(command, ...args) {
    return call(['ip', 'netns', 'exec', this.namespace, command, ...args]);
  }

  /**
   * Starts a Node program that runs until the lab is closed, and waits for its line READY (see
   * {@link answer}). Its stdin ends when this process does, and then so should it.
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

/** A program that runs in a host; {@link Host.start} makes it. */
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
    child.stdin.on('error', () => {}); // of a program that is gone; its exit says so
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
    this.ready.then(ready, ready); // or gone
  }

  /**
   * Asks the program something; several questions may be under way.
   * @param {unknown} question anything that JSON can say
   * @returns {Promise<any>} what it {@link answer}s
   */
  ask(question) {
    const id = ++this.#asked;
    const answered = this.#answerTo(id);
    if (!this.#gone) this.#process.stdin.write(`${JSON.stringify([id, question])}\n`);
    return answered;
  }

  /** Ends it at once. */
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
 * For the program that a {@link Helper} is: says READY, answers what is asked, and ends when the
 * process that started it does.
 * @param {(question: any) => unknown} reply the answer, or a promise of it
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
 * A client and three servers in networks of their own and the director between them, in IPv4 and
 * IPv6. The servers reply by way of the director, as forwarding by NAT takes.
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
    // What it complained of is in the message; of a batch, the number of the line.
    throw new Error(`${/** @type {Error} */ (error).message.trim()}${input && `\n${input}`}`, { cause: error });
  }
}
