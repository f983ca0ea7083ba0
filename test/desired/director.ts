// A client, a director, and three servers that answer by way of it, for documents with real packets.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { addDirector, Helper, Lab } from '../../scripts/lab.mjs';
import { type DesiredDocument, DesiredState, type DesiredStateOptions } from '../../src/index.js';

export { until } from '../until.js';

import { shell } from '../roles/talk.js';

export const SERVER_PORT = 8080;
export const OWNER = 'test';

/** A datagram of a sender; times in milliseconds. */
export interface Datagram {
  readonly sent: number;
  /** Who answered. */
  readonly name?: string;
  readonly answered?: number;
}

export class Director {
  readonly lab = new Lab();
  readonly virtual: string;
  readonly namespace: string;
  /** Addresses of server1, server2 and server3. */
  readonly servers: readonly string[];
  readonly #traffic: Helper;
  readonly #states: DesiredState[] = [];

  private constructor() {
    const { virtual, director, servers } = addDirector(this.lab);
    this.virtual = virtual.ipv4;
    this.namespace = director.namespace;
    this.servers = servers.map(({ ipv4 }) => ipv4);
    const file = fileURLToPath(new URL('programs/traffic.py', import.meta.url));
    this.#traffic = new Helper('traffic.py', spawn('/usr/bin/python3', [file], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  static async make(): Promise<Director> {
    const made = new Director();
    await made.#traffic.ready;
    for (const name of ['server1', 'server2', 'server3'])
      await made.#ask('serve', { name, port: SERVER_PORT }, made.lab.host(name).namespace);
    return made;
  }

  /** `server1` to `server3`, as a document has them. */
  server(number: number, weight = 1): { address: string; port: number; weight: number } {
    const address = this.servers[number - 1];
    if (address === undefined) throw new Error(`there is no server ${number}`);
    return { address, port: SERVER_PORT, weight };
  }

  /** As progress and plans name it. */
  serverName(number: number): string {
    return `${this.server(number).address}:${SERVER_PORT}`;
  }

  /** Closed with the director. */
  async open(document: DesiredDocument, options?: DesiredStateOptions): Promise<DesiredState> {
    const state = await DesiredState.open(document, options);
    this.#states.push(state);
    return state;
  }

  /** Runs a script of `sh` in the director. */
  shell(script: string, input?: string): string {
    return shell(this.namespace, script, input);
  }

  /** A server that answers with its name on a port of TCP and UDP. */
  serve(host: string, name: string, port: number): Promise<void> {
    return this.#ask('serve', { name, port }, this.lab.host(host).namespace);
  }

  #ask<T>(what: string, question: object, namespace = this.lab.host('client').namespace): Promise<T> {
    return this.#traffic.ask({ do: what, namespace, ...question });
  }

  /** Connections of the client, one after the other: the names of servers, or of errors. */
  meet(port: number, count: number): Promise<string[]> {
    return this.#ask('meet', { address: this.virtual, port, count });
  }

  /** A connection that stays, by this name; to which server. */
  hold(name: string, port: number): Promise<string> {
    return this.#ask('hold', { name, address: this.virtual, port });
  }

  /** Asks over a connection that is held: the server's name, or that of an error. */
  echo(name: string, patience = 20): Promise<string> {
    return this.#ask('ask', { name, patience });
  }

  reset(name: string): Promise<void> {
    return this.#ask('reset', { name });
  }

  /** Datagrams from one port, by this name, until they are stopped. */
  send(name: string, port: number, interval = 50): Promise<void> {
    return this.#ask('send', { name, address: this.virtual, port, interval });
  }

  sent(name: string): Promise<Datagram[]> {
    return this.#ask('sent', { name });
  }

  stop(name: string): Promise<void> {
    return this.#ask('stop', { name });
  }

  async close(): Promise<void> {
    await Promise.all(this.#states.map((state) => state.close()));
    await this.#traffic.stop();
    await this.lab.close();
  }
}

export function names(said: readonly string[]): string[] {
  return [...new Set(said)].sort();
}
