// A client in a Node.js process of its own: what it prints and what it breaks stays there.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Events } from './events.mjs';

/** How long a call may take. */
const CALL = 60_000;

export class NodeHost {
  events = new Events();
  #child;
  #calls = new Map();
  #next = 0;

  /** Starts a process with this adapter. */
  static async start(adapter, options, verbose) {
    const host = new NodeHost();
    const program = fileURLToPath(new URL('./node-client.mjs', import.meta.url));
    // The SDKs print tokens: nothing of it is kept.
    const output = verbose ? 'inherit' : 'ignore';
    host.#child = fork(program, [adapter, JSON.stringify(options)], {
      stdio: ['ignore', output, output, 'ipc'],
    });
    host.#child.on('message', (message) => host.#take(message));
    host.#child.on('error', (error) => host.#fail(error));
    host.#child.on('exit', (code, signal) => host.#fail(new Error(`the client ended: ${signal ?? code}`)));
    await host.#settled('start');
    return host;
  }

  /** Calls a function of the adapter. */
  async call(method, ...args) {
    const id = this.#next++;
    this.#child.send({ id, method, args });
    return this.#settled(id);
  }

  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    // Native libraries have threads that do not end by themselves.
    this.#child.kill('SIGKILL');
    await ended;
  }

  #settled(id) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${CALL / 1000} s`)), CALL);
      this.#calls.set(id, { resolve, reject, timer });
    });
  }

  #take({ event, data, id, result, error }) {
    if (event) {
      this.events.add(event, data);
      return;
    }
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    clearTimeout(call.timer);
    if (error) call.reject(new Error(error));
    else call.resolve(result);
  }

  #fail(error) {
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#calls.clear();
  }
}
