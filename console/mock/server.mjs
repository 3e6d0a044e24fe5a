// A server for the console's development and tests: `node mock/server.mjs [PORT] [USERS]`. It answers by administration.md, keeps
// everything in memory, and counts as violations what a page sends that is not documented there.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

import { Callers } from './callers.mjs';
import { shown } from './clock.mjs';
import { Refusal, refuse, unreadable } from './errors.mjs';
import { serve } from './files.mjs';
import { Orders } from './orders.mjs';
import { Population } from './population.mjs';
import { ANSWERS } from './routes.mjs';
import { differences, examples } from './shapes.mjs';
import { ALL } from '../tools/routes.mjs';

const OPENAPI = new URL('../../api/openapi.json', import.meta.url);
const BODY = 1 << 20;

export class Mock {
  health = 'ok';
  since = Date.now();
  counters = { connects: 0, ends: 0, kicks: 0 };
  /** @type {import('../src/api/types').Summary['nodes']} */
  nodes = undefined;
  audit = [];
  violations = [];
  requests = [];
  /**
   * What requests are refused with.
   * @type {((path: string, headers: import('node:http').IncomingHttpHeaders) => Error | undefined) | undefined}
   */
  fault = undefined;
  callers = new Callers();
  /** What its pages know of. */
  offered = ALL;
  orders = new Orders(this);
  #shapes = examples();
  #server;
  #sockets = new Set();
  #port = 0;
  #last = 0;

  constructor({ users = 40, seed = 1, dist } = {}) {
    this.population = new Population(users, seed);
    this.counters.connects = this.population.records.length;
    this.counters.ends = this.counters.connects - this.population.live().length;
    this.dist = dist;
  }

  /** Serves on a port; after `stop` on the same one again. */
  async start(port = this.#port) {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = this.#server.address().port;
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Goes away: every connection breaks, and further ones are refused. */
  async stop() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#sockets.forEach((socket) => socket.destroy());
    await closed;
  }

  /** Ends connections. */
  end(records, at) {
    records.forEach((record) => (record.offlineAt = at));
    this.counters.ends += records.length;
    this.counters.kicks += records.length;
  }

  /** Kicks tokens, and says how many of them were good. */
  kickTokens(test) {
    const good = this.population.tokens.filter((token) => token.state === 'good' && test(token));
    good.forEach((token) => (token.state = 'kicked'));
    return good.length;
  }

  /** An id; that of a later order or entry is greater. */
  id() {
    this.#last = Math.max(this.#last + 1, Date.now());
    return this.#last.toString(16).padStart(12, '0') + randomBytes(10).toString('hex');
  }

  /** Leaves an entry in the audit. */
  note(caller, operation, id, { select, scope, reason, denySeconds }, { users, connections }, remoteAddress) {
    const now = Date.now();
    const { userIds = [], filters, ...others } = select;
    const words = [
      ...(filters ?? []).map(({ key, op, value }) => [key, op, value].filter(Boolean).join(' ')),
      ...Object.entries(others).map(([name, value]) => `${name} ${Array.isArray(value) ? value.join() : `EQUAL ${value}`}`),
    ];
    const entry = {
      id,
      at: shown(now),
      tenantId: caller.tenantId,
      operation,
      progress: 'done',
      users: users.size,
      connections: connections.length,
      by: { userId: caller.userId, tokenSha256: caller.sha256 },
      remoteAddress,
      selection: {
        ...(scope === undefined ? {} : { scope }),
        ...(reason === undefined ? {} : { reason }),
        ...(denySeconds === undefined ? {} : { denySeconds }),
        ...(words.length === 0 ? {} : { select: words.map((one) => one.slice(0, 80)) }),
        ...(userIds.length === 0 ? {} : { ids: userIds.slice(0, 20), idsTotal: userIds.length }),
      },
    };
    this.audit.unshift({ when: now, named: users, shown: entry });
  }

  /** Notes what of an answer is not as the page of the heading shows it. */
  conforms(heading, answer) {
    const shape = this.#shapes[heading];
    if (!shape) throw new Error(`administration.md has no example below ${heading}`);
    this.violations.push(...differences(shape, answer).map((one) => `${heading}: ${one}`));
  }

  /** Notes parameters that the list does not know, which a server would ignore. */
  noteStray(query, known, form) {
    for (const name of query.keys()) {
      if (!known.includes(name) && !form?.test(name)) this.violations.push(`unknown parameter ${name}`);
    }
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    try {
      if (/^\/(console|docs)(\/|$)/.test(url.pathname)) return await serve(url.pathname, response, this);
      if (url.pathname === '/openapi.json') {
        return response.writeHead(200, { 'content-type': 'application/json' }).end(readFileSync(OPENAPI));
      }
      this.requests.push({ method: request.method, url: request.url, headers: request.headers });
      const fault = this.fault?.(url.pathname, request.headers);
      if (fault) throw fault;
      const found = ANSWERS.find(([method, path]) => method === request.method && path.test(url.pathname));
      if (!found) throw new Refusal(404, 'handler_not_found', `Not found handler ${request.method} ${url.pathname}`);
      const [, path, heading, handler] = found;
      const asked = {
        query: url.searchParams,
        path: path.exec(url.pathname).slice(1).map(decodeURIComponent),
        remoteAddress: request.socket.remoteAddress,
        caller: url.pathname === '/health' ? undefined : this.callers.of(request),
        body: request.method === 'POST' ? await body(request) : undefined,
        response,
      };
      const answer = handler(this, asked);
      if (heading) this.conforms(heading, answer);
      if (url.pathname === '/health' && this.health !== 'ok') response.statusCode = 503;
      response.setHeader('content-type', 'application/json');
      response.setHeader('xc-request-id', randomBytes(16).toString('hex'));
      response.end(JSON.stringify(answer));
    } catch (error) {
      refuse(response, error);
    }
  }
}

async function body(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > BODY) throw new Refusal(413, 'param_parsing_error', 'Parameter parsing failed');
    chunks.push(chunk);
  }
  // An unlock has no body.
  if (length === 0) return {};
  try {
    const parsed = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // Below.
  }
  throw unreadable();
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await new Mock({ users: Number(argv[3] ?? 200) }).start(Number(argv[2] ?? 10080));
  console.log(`${mock.url}/console/  tokens: admin-token second-token operator-token reader-token bare-token`);
}
