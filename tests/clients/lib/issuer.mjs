// The issuer of the consoles' tokens, which the subject asks about each (RFC 7662).

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

/** How long a token lives, in seconds. */
const LIFETIME = 3_600;

export class Issuer {
  #server;
  #known = new Map();

  /** Listens at this port of the loopback interface; 0 takes a free one. */
  static async start(port) {
    const issuer = new Issuer();
    issuer.#server = createServer(async (request, response) => {
      const token = new URLSearchParams(await text(request)).get('token');
      const answer = issuer.#known.get(token) ?? { active: false };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    issuer.#server.listen(port, '127.0.0.1');
    await once(issuer.#server, 'listening');
    return issuer;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/introspect`;
  }

  /** A new token of a user of tenant 0. */
  token(user) {
    const token = randomBytes(24).toString('hex');
    const now = Math.floor(Date.now() / 1000);
    this.#known.set(token, {
      active: true,
      client_id: 'console',
      token_type: 'Bearer',
      iat: now,
      exp: now + LIFETIME,
      principal: { id: user, username: `user${user}`, full_name: `User ${user}`, tenant_id: '0' },
    });
    return token;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
