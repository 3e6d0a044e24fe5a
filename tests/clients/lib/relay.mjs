// A TCP relay between one client and the subject: it passes bytes on and counts connections, so that whether a client
// connects again is seen from outside of it.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';

export class Relay {
  /** How many connections the client has opened. */
  opened = 0;
  #server;
  #sockets = new Set();

  /** A relay to this host and port. */
  static async to(host, port) {
    const relay = new Relay();
    relay.#server = createServer((near) => {
      relay.opened += 1;
      const far = connect({ host, port, noDelay: true });
      near.setNoDelay(true);
      for (const [one, other] of [[near, far], [far, near]]) {
        relay.#sockets.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          relay.#sockets.delete(one);
          other.destroySoon();
        });
      }
    });
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  /** Host and port for the client. */
  get address() {
    return `127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
