// The steps of a client of the OpenIM gateway.

import { online } from './friend.mjs';
import { eventually } from './rest.mjs';
import { AWAY, STAYS, holds, watched } from './steps.mjs';

/** Events that must not come while a client connects. */
const ENDS = ['OnConnectFailed', 'OnKickedOffline', 'OnUserTokenExpired', 'OnUserTokenInvalid'];

/** The friend's platform: Android. */
const FRIEND = 2;

export class OpenIm {
  #host;
  #anew;
  #rest;
  #relay;
  #user;
  #platform;
  #address;
  #token;
  #since = 0;

  constructor({ host, anew, rest, relay, user, platform, address }) {
    this.#host = host;
    this.#anew = anew;
    this.#rest = rest;
    this.#relay = relay;
    this.#user = user;
    this.#platform = platform;
    this.#address = address;
  }

  async login() {
    this.#token = await this.#rest.userToken(this.#user, this.#platform);
    this.#since = this.#host.events.now();
    await this.#host.call('login', this.#user, this.#token);
  }

  async connected() {
    await this.#host.events.until('OnConnectSuccess', this.#since, { not: ENDS });
  }

  async synced() {
    const not = ['OnSyncServerFailed', ...ENDS];
    await this.#host.events.until('OnSyncServerFinish', this.#since, { not });
  }

  /** At once: who has been told of its success is shown. */
  async shown() {
    await this.#connection();
  }

  async background() {
    for (const flag of [true, false]) {
      await this.#host.call('background', flag);
      const { isBackground } = await this.#connection();
      holds(`isBackground is ${isBackground} after background(${flag})`, isBackground === flag);
    }
  }

  async push() {
    const friend = `${this.#user}-friend`;
    const token = await this.#rest.userToken(friend, FRIEND);
    const since = this.#host.events.now();
    const push = (status, platforms) =>
      this.#host.events.until('OnUserStatusChanged', since, {
        fits: ({ userID, status: said, platformIDs }) =>
          userID === friend && said === status && JSON.stringify(platformIDs ?? []) === JSON.stringify(platforms),
      });
    await this.#host.call('subscribe', [friend]);
    const leave = await online(this.#address, friend, FRIEND, token);
    await push(1, [FRIEND]);
    await leave();
    await push(0, []);
  }

  async kicked() {
    this.#since = this.#host.events.now();
    await this.#rest.forceLogout(this.#user, this.#platform);
    await this.#nobody();
    await this.#host.events.until('OnKickedOffline', this.#since);
  }

  async away() {
    const opened = this.#relay.opened;
    await watched(AWAY);
    const again = this.#relay.opened - opened;
    holds(`it connected ${again} times`, again === 0);
    const names = this.#host.events.names(this.#since);
    const kicks = names.filter((name) => name === 'OnKickedOffline').length;
    holds(`it was told ${kicks} times`, kicks === 1);
    const tries = names.filter((name) => name === 'OnConnecting' || name === 'OnConnectSuccess');
    holds(`there came ${tries.join(', ')}`, tries.length === 0);
    await this.#nobody();
  }

  async refused() {
    const since = this.#host.events.now();
    // Whether the call fails or only the events tell is the client's matter.
    await this.#host.call('login', this.#user, this.#token).catch(() => {});
    await this.#host.events.until('OnKickedOffline', since, { not: ['OnConnectSuccess'] });
    await this.#nobody();
    this.#host = (await this.#anew?.()) ?? this.#host;
  }

  async again() {
    await this.login();
    await this.connected();
    await this.shown();
  }

  async stays() {
    const { connID } = await this.#connection();
    const opened = this.#relay.opened;
    await watched(STAYS);
    const now = await this.#connection();
    holds('it is another connection', now.connID === connID);
    holds('it connected again', this.#relay.opened === opened);
  }

  async logout() {
    await this.#host.call('logout');
    await eventually(
      'nobody online',
      () => this.#rest.connections(this.#user),
      (connections) => connections.length === 0,
    );
  }

  /** The one connection, with the right platform and token. */
  async #connection() {
    const connections = await this.#rest.connections(this.#user);
    holds(`${connections.length} connections are shown`, connections.length === 1);
    const [connection] = connections;
    holds(`platform ${connection.platformID} is shown`, connection.platformID === this.#platform);
    holds('another token is shown', connection.token === this.#token);
    return connection;
  }

  async #nobody() {
    const { length } = await this.#rest.connections(this.#user);
    holds(`${length} connections are shown`, length === 0);
  }
}
