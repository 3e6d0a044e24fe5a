// The steps of a console's socket in the message center.

import { eventually } from './rest.mjs';
import { AWAY, STAYS, holds, watched } from './steps.mjs';

/** The close code of an order, which follows its message. */
const FORCED_OFFLINE = 4001;

export class Console {
  #host;
  #rest;
  #issuer;
  #relay;
  #user;
  #device;
  #token;
  #since = 0;

  /** Whether every request may come on a connection of its own. */
  #requests;

  constructor({ host, rest, issuer, relay, user, device, client }) {
    this.#host = host;
    this.#rest = rest;
    this.#issuer = issuer;
    this.#relay = relay;
    this.#user = user;
    this.#device = device;
    this.#requests = client.transport !== undefined;
  }

  async connected() {
    this.#token = this.#issuer.token(this.#user);
    this.#since = this.#host.events.now();
    await this.#host.call('login', this.#token);
    await this.#host.events.until('connected', this.#since, { not: ['closed', 'error'] });
    await this.#host.events.until('subscribed', this.#since, { not: ['closed', 'error'] });
  }

  async shown() {
    await this.#record(true);
  }

  async kicked() {
    this.#since = this.#host.events.now();
    await this.#rest.forceOff(this.#user);
    const message = await this.#host.events.until('message', this.#since, { not: ['closed', 'error'] });
    holds(`the message is ${message.type}`, message.type === 'CLOSE');
    const { code, reason } = await this.#host.events.until('closed', this.#since);
    holds(`it was closed with ${code} ${reason}`, code === FORCED_OFFLINE && reason === 'forced_offline');
    await this.#record(false);
  }

  /** The library tries again every 5 s whatever the close said: each try must be refused. */
  async away() {
    const opened = this.#relay.opened;
    await watched(AWAY);
    const names = this.#host.events.names(this.#since);
    // A page keeps the connections of its requests.
    holds('it never tried', this.#requests || this.#relay.opened > opened);
    holds('it connected', !names.includes('connected'));
    await this.#record(false);
    await this.#host.call('logout');
  }

  async refused() {
    const since = this.#host.events.now();
    await this.#host.call('login', this.#token);
    await this.#host.events.until('closed', since, { not: ['connected'] });
    await this.#host.call('logout');
    await this.#record(false);
  }

  async again() {
    await this.connected();
    await this.shown();
  }

  async stays() {
    const before = await this.#record(true);
    const opened = this.#relay.opened;
    const since = this.#host.events.now();
    await watched(STAYS);
    const now = await this.#record(true);
    holds('it is another connection', now.id === before.id);
    holds('it connected again', this.#requests || this.#relay.opened === opened);
    const names = this.#host.events.names(since);
    holds(`there came ${names.join(', ')}`, names.length === 0);
  }

  async logout() {
    await this.#host.call('logout');
    await this.#record(false);
  }

  /** The latest record, once it says so: lists learn of comings and goings a moment later. */
  #record(online) {
    return eventually(
      online ? `online on ${this.#device}` : 'offline',
      () => this.#rest.record(this.#user),
      (record) => record?.online === online && record.deviceId === this.#device,
    );
  }
}
