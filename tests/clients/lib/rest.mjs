// Requests of a back end: tokens, online users, and force-offs.

/** How long an answer may take. */
const ANSWER = 30_000;

/** How often a question is repeated until its answer is the awaited one. */
const AGAIN = 200;

export class Rest {
  #base;
  #secret;
  #admin;

  constructor(base, secret) {
    this.#base = base;
    this.#secret = secret;
  }

  /** Logs in; before everything else. */
  async start() {
    const body = { secret: this.#secret, userID: 'imAdmin' };
    this.#admin = (await this.#post('/auth/get_admin_token', body)).token;
  }

  /** A new token of a user on a platform. */
  async userToken(userID, platformID) {
    return (await this.#post('/auth/get_user_token', { userID, platformID })).token;
  }

  /** The connections of a user. */
  async connections(userID) {
    const [user] = await this.#post('/user/get_users_online_status', { userIDs: [userID] });
    return user.detailPlatformStatus;
  }

  /** Takes a user's platform off. */
  async forceLogout(userID, platformID) {
    await this.#post('/auth/force_logout', { userID, platformID });
  }

  /** The latest record of a console's user; none when it never was online. */
  async record(userId) {
    const answer = await this.#console('GET', `/api/v1/message/center/online/${userId}`);
    return answer.code === 'S' ? answer.data : undefined;
  }

  /** Takes a console's user off. */
  async forceOff(userId) {
    const body = { receiveObjectType: 'USER', receiveObjectIds: [userId] };
    const answer = await this.#console('POST', '/api/v1/message/center/online/off', body);
    if (answer.code !== 'S') throw new Error(`the order was answered ${answer.code}: ${answer.msg}`);
  }

  async #post(path, body) {
    const headers = { operationID: crypto.randomUUID(), 'content-type': 'application/json' };
    if (this.#admin) headers.token = this.#admin;
    const response = await fetch(this.#base + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER),
    });
    const answer = await response.json();
    if (answer.errCode !== 0) throw new Error(`${path} was answered ${answer.errCode} ${answer.errDlt}`);
    return answer.data;
  }

  async #console(method, path, body) {
    const response = await fetch(this.#base + path, {
      method,
      headers: { authorization: `Bearer ${this.#admin}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER),
    });
    return response.json();
  }
}

/** Asks until the answer `fits`, which the subject need not tell by itself. */
export async function eventually(what, ask, fits, within = 20_000) {
  const end = Date.now() + within;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (Date.now() > end) throw new Error(`${what} not within ${within / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}
