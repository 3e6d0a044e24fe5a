// Orders: selection, dry run, receipt, delivery.

import { need } from './callers.mjs';
import { shown } from './clock.mjs';
import { Refusal, forbidden, invalid, unreadable } from './errors.mjs';
import { matcher } from './filters.mjs';
import { row } from './population.mjs';

const PARAMETERS = ['userId', 'fullName', 'deviceId', 'remoteAddress', 'online', 'onlineDate', 'offlineDate'];
const LISTS = { userIds: 10_000, platforms: 16, connIds: 1_000, deviceIds: 1_000 };
const RECEIPT = 600_000;
/** Above so many users the delivery goes on behind the answer. */
const AT_ONCE = 1_000;
/** How long it takes, in milliseconds. */
const DELIVERY = 3_000;
/** So many of each are named. */
const NAMED = 20;

export class Orders {
  list = [];
  /** How much of an order in the background is delivered at most. */
  limit = 1;
  #mock;
  #receipts = new Map();

  constructor(mock) {
    this.#mock = mock;
  }

  /** The answer of `POST /admin/v1/force-offs`, as its status and its body. */
  give(caller, body, remoteAddress) {
    this.#check(caller, body);
    const { dryRun = false, receipt, ...rest } = body;
    const bound = JSON.stringify([caller.userId, rest]);
    if (receipt !== undefined) return this.#redeem(caller, rest, receipt, bound, remoteAddress);
    const chosen = this.#select(caller, rest);
    if (!dryRun) return this.#carryOut(caller, rest, chosen, remoteAddress);
    const open = [...this.#receipts.values()].filter((one) => one.until > Date.now() && !one.order);
    if (open.length >= 16) throw new Refusal(503, 'server_busy', 'The server is busy, please try again', { 'retry-after': '1' });
    const id = this.#mock.id();
    const until = Date.now() + RECEIPT;
    this.#receipts.set(id, { bound, chosen, until });
    this.#mock.note(caller, 'forceOffDryRun', id, rest, chosen, remoteAddress);
    const first = chosen.connections.slice(0, NAMED).map(row);
    const firstUsers = [...chosen.users].slice(0, NAMED);
    const answer = { receipt: id, expiresAt: shown(until), tenantId: caller.tenantId, ...counts(chosen), firstUsers };
    return [200, { ...answer, ...(caller.rights.read ? { first } : {}) }];
  }

  /** Lets the receipts of all dry runs expire. */
  expire() {
    for (const one of this.#receipts.values()) one.until = 0;
  }

  #redeem(caller, body, receipt, bound, remoteAddress) {
    const one = this.#receipts.get(receipt);
    if (!one || one.bound !== bound || (one.until <= Date.now() && !one.order)) {
      throw new Refusal(409, 'conflict', 'The receipt does not belong to this call, or is over');
    }
    if (one.order) return [200, this.shown(one.order)];
    const answer = this.#carryOut(caller, body, one.chosen, remoteAddress);
    one.order = this.list[0];
    return answer;
  }

  /** The users, and their connections that match and are online; both by user. */
  #select(caller, { select, scope = 'user' }) {
    const { population } = this.#mock;
    const given = PARAMETERS.filter((key) => select[key] !== undefined);
    const filters = given.map((key) => ({ key, op: 'EQUAL', value: String(select[key]) }));
    const tests = [...(select.filters ?? []), ...filters].map((filter) => matcher([filter]));
    const isIn = (list, value) => !list || list.some((one) => String(one) === String(value));
    const matching = population.directory.filter(
      (record) =>
        record.tenantId === caller.tenantId &&
        tests.every((test) => test(record)) &&
        isIn(select.userIds, record.userId) &&
        isIn(select.platforms, record.platformID) &&
        isIn(select.connIds, record.connID) &&
        isIn(select.deviceIds, record.deviceId),
    );
    const named = (select.userIds ?? []).map(String);
    const isMeant = (user) => named.includes(user) || user !== caller.userId;
    const online = matching.filter((record) => record.offlineAt === undefined && isMeant(record.userId));
    online.sort((a, b) => Number(BigInt(a.userId) - BigInt(b.userId)));
    const bySockets = scope === 'connection' || select.platforms || select.connIds;
    const users = new Set((bySockets ? online : matching).map((record) => record.userId).filter(isMeant));
    // Named users are taken whether they are known or not.
    if (Object.keys(select).join() === 'userIds' && !bySockets) named.forEach((user) => users.add(user));
    return { users: new Set([...users].sort((a, b) => Number(BigInt(a) - BigInt(b)))), connections: online };
  }

  #carryOut(caller, body, chosen, remoteAddress) {
    const { population } = this.#mock;
    const { scope = 'user', reason, denySeconds } = body;
    const now = Date.now();
    const still = scope === 'user' ? population.live((one) => chosen.users.has(one.userId)) : chosen.connections;
    const ending = still.filter((record) => record.offlineAt === undefined);
    this.#mock.end(ending, now);
    const under = new Set(ending.map((record) => record.token));
    this.#mock.kickTokens((token) => (scope === 'user' ? chosen.users.has(token.userId) : under.has(token.sha256)));
    const order = {
      id: this.#mock.id(),
      tenantId: caller.tenantId,
      by: caller.userId,
      at: now,
      scope,
      reason,
      denyUntil: denySeconds && now + 1000 * denySeconds,
      users: chosen.users.size,
      connections: chosen.connections.length,
      named: [...chosen.users],
      background: chosen.users.size > AT_ONCE,
    };
    this.list.unshift(order);
    if (order.denyUntil) {
      const window = { until: order.denyUntil, since: now, by: caller.userId, reason, orderId: order.id };
      chosen.users.forEach((user) => population.denied.set(user, window));
    }
    this.#mock.note(caller, 'forceOff', order.id, body, chosen, remoteAddress);
    return [order.background ? 202 : 200, this.shown(order)];
  }

  /** An order as it stands. */
  shown(order, { brief = false } = {}) {
    const part = order.background ? Math.min(this.limit, (Date.now() - order.at) / DELIVERY) : 1;
    const reached = Math.floor(part * order.users);
    return JSON.parse(
      JSON.stringify({
        id: order.id,
        tenantId: order.tenantId,
        scope: order.scope,
        state: part > 0.2 ? 'cutOff' : 'ordered',
        at: shown(order.at),
        by: order.by,
        reason: order.reason,
        denyUntil: order.denyUntil && shown(order.denyUntil),
        users: order.users,
        connections: order.connections,
        reached,
        unreached: brief ? undefined : order.named.slice(reached, reached + NAMED),
      }),
    );
  }

  #check(caller, body) {
    const hasDeny = this.#mock.offered.includes('ForceOffRequest.denySeconds');
    const known = ['tenantId', 'select', 'scope', 'reason', 'dryRun', 'receipt', ...(hasDeny ? ['denySeconds'] : [])];
    if (Object.keys(body).some((name) => !known.includes(name))) throw unreadable();
    const { select, scope = 'user', reason = '', dryRun = false, receipt, denySeconds } = body;
    if (typeof select !== 'object' || select === null) throw unreadable();
    checkSelection(select);
    if (!['user', 'connection'].includes(scope) || typeof reason !== 'string' || typeof dryRun !== 'boolean') throw unreadable();
    if (Buffer.byteLength(reason) > 500) throw invalid('reason must have at most 500 bytes');
    if (dryRun && receipt !== undefined) throw invalid('a dry run has no receipt yet');
    if (receipt !== undefined && !/^[0-9a-f]{32}$/.test(receipt)) throw unreadable();
    if (denySeconds !== undefined) {
      const fits = Number.isInteger(denySeconds) && denySeconds >= 1 && denySeconds <= 31_536_000;
      if (!fits) throw invalid('denySeconds must be between 1 and 31536000');
      need(caller, 'administer');
    }
    if (body.tenantId !== undefined && String(body.tenantId) !== caller.tenantId && !caller.anyTenant) throw forbidden();
  }
}

const counts = ({ users, connections }) => ({ users: users.size, connections: connections.length });

/** What a list may ignore, an order refuses. */
function checkSelection(select) {
  const members = Object.keys(select);
  if (members.some((name) => ![...PARAMETERS, ...Object.keys(LISTS), 'filters'].includes(name))) throw unreadable();
  if (members.length === 0) throw invalid('select must name something');
  for (const [name, most] of Object.entries({ ...LISTS, filters: 20 })) {
    const list = select[name];
    if (list === undefined) continue;
    if (!Array.isArray(list)) throw unreadable();
    if (list.length < 1 || list.length > most) throw invalid(`size of ${name} must be between 1 and ${most}`);
  }
  if (select.userIds?.some((one) => !/^[+-]?\d+$/.test(String(one)))) throw unreadable();
  if (select.connIds?.some((one) => !/^[0-9a-f]{32}$/.test(one))) throw unreadable();
  if (select.deviceIds?.some((one) => one.trim() === '')) throw invalid('deviceIds has a member that is blank');
  for (const { key, op, value } of select.filters ?? []) {
    if (!key || !op) throw invalid('it selects nothing: ');
    if (!op.startsWith('IS_') && String(value ?? '').trim() === '') {
      throw invalid(`a value of ${key} is blank, so that it would select more than was meant`);
    }
  }
}
