// Orders: selection, dry run, receipt, delivery.

import { randomBytes } from 'node:crypto';

import { need } from './callers.mjs';
import { shown } from './clock.mjs';
import { Refusal, forbidden, invalid, unreadable } from './errors.mjs';
import { matcher } from './filters.mjs';

const PARAMETERS = ['userId', 'fullName', 'deviceId', 'remoteAddress', 'online', 'onlineDate', 'offlineDate'];
const LISTS = ['userIds', 'platforms', 'connIds', 'deviceIds'];
const RECEIPT = 600_000;
/** Above so many users the delivery goes on behind the answer. */
const AT_ONCE = 1_000;

export class Orders {
  list = [];
  #mock;
  #receipts = new Map();

  constructor(mock) {
    this.#mock = mock;
  }

  /** The answer of `POST /admin/v1/force-offs`, as its status and its body. */
  give(caller, body, remoteAddress) {
    check(caller, body);
    const { dryRun = false, receipt, ...rest } = body;
    const bound = JSON.stringify([caller.sha256, rest]);
    if (receipt !== undefined) return this.#redeem(caller, rest, receipt, bound, remoteAddress);
    const chosen = this.#select(rest);
    if (!dryRun) return this.#carryOut(caller, rest, chosen, remoteAddress);
    const open = [...this.#receipts.values()].filter((one) => one.until > Date.now() && !one.order);
    if (open.length >= 16) throw new Refusal(429, 'too_many_requests', 'too many requests', { 'retry-after': '60' });
    const text = randomBytes(24).toString('base64url');
    const until = Date.now() + RECEIPT;
    this.#receipts.set(text, { bound, chosen, until });
    this.#mock.note(caller, 'dryRun', rest, chosen, remoteAddress);
    return [200, { ...counts(chosen), first: this.#first(chosen), spared: 0, receipt: text, receiptUntil: shown(until) }];
  }

  /** Lets the receipts of all dry runs expire. */
  expire() {
    for (const one of this.#receipts.values()) one.until = 0;
  }

  #redeem(caller, body, receipt, bound, remoteAddress) {
    const one = this.#receipts.get(receipt);
    if (!one || one.bound !== bound || (one.until <= Date.now() && !one.order)) {
      throw new Refusal(409, 'receipt_not_valid', 'The receipt is not valid for this order');
    }
    if (one.order) return [200, this.shown(one.order)];
    const answer = this.#carryOut(caller, body, one.chosen, remoteAddress);
    one.order = this.list[0];
    return answer;
  }

  /** The users, and their connections that the order would end. */
  #select({ select, scope }) {
    const { population } = this.#mock;
    const given = PARAMETERS.filter((key) => select[key] !== undefined);
    const filters = given.map((key) => ({ key, op: 'EQUAL', value: String(select[key]) }));
    const passes = matcher([...(select.filters ?? []), ...filters]);
    const isIn = (list, values) => !list || list.some((one) => values.includes(String(one)));
    const matching = population.records.filter(
      (record) =>
        passes(record) &&
        isIn(select.userIds, [record.userId]) &&
        isIn(select.platforms, [String(record.platformID)]) &&
        isIn(select.connIds, [record.connID, record.id]) &&
        isIn(select.deviceIds, [record.deviceId]),
    );
    const users = new Set(matching.map((record) => record.userId));
    // Named users are taken whether they are known or not.
    if (Object.keys(select).join() === 'userIds') select.userIds.forEach((user) => users.add(String(user)));
    if (scope === 'user') return { users, connections: population.live((record) => users.has(record.userId)) };
    const connections = matching.filter((record) => record.offlineAt === undefined);
    return { users: new Set(connections.map((record) => record.userId)), connections };
  }

  #first({ users, connections }) {
    const of = (userId) => connections.filter((record) => record.userId === userId);
    const all = [...users].sort().flatMap((userId) => (of(userId).length > 0 ? of(userId) : [{ userId, tenantId: '0' }]));
    return all.slice(0, 20).map((record) => ({
      userId: record.userId,
      tenantId: record.tenantId,
      ...(record.connID && {
        ...(record.fullName === undefined ? {} : { fullName: record.fullName }),
        connID: record.connID,
        recordId: record.id,
        protocol: record.platformID ? 'openim' : 'messageCenter',
        ...(record.platformID ? { platformID: record.platformID } : {}),
        deviceId: record.deviceId,
        remoteAddress: record.remoteAddress,
        onlineDate: shown(record.onlineAt),
      }),
    }));
  }

  #carryOut(caller, body, chosen, remoteAddress) {
    const { population } = this.#mock;
    const now = Date.now();
    const still = body.scope === 'user' ? population.live((one) => chosen.users.has(one.userId)) : chosen.connections;
    const ending = still.filter((record) => record.offlineAt === undefined);
    const gone = body.scope === 'user' ? 0 : chosen.connections.length - ending.length;
    this.#mock.end(ending, now);
    const under = new Set(ending.map((record) => record.token));
    this.#mock.kickTokens((token) => (body.scope === 'user' ? chosen.users.has(token.userId) : under.has(token.sha256)));
    const order = {
      id: String(40 + this.list.length + 1),
      tenantId: String(body.tenantId ?? caller.tenantId),
      by: { userId: caller.userId, name: caller.name, tokenSha256: caller.sha256 },
      remoteAddress,
      at: now,
      scope: body.scope,
      reason: body.reason,
      denyUntil: body.denySeconds && now + 1000 * body.denySeconds,
      select: body.select,
      users: chosen.users.size,
      connections: chosen.connections.length,
      gone,
      named: chosen.users,
      background: chosen.users.size > AT_ONCE,
    };
    this.list.unshift(order);
    if (order.denyUntil) {
      const window = { until: order.denyUntil, since: now, by: caller.userId, reason: body.reason, orderId: order.id };
      chosen.users.forEach((user) => population.denied.set(user, window));
    }
    this.#mock.note(caller, 'forceOff', body, chosen, remoteAddress, order.id);
    return [order.background ? 202 : 200, this.shown(order)];
  }

  /** An order as it stands; one in the background takes three seconds. */
  shown(order, { brief = false } = {}) {
    const part = order.background ? Math.min(1, (Date.now() - order.at) / 3_000) : 1;
    const unreached = order.background ? [{ userId: [...order.named][0], error: 'the user could not be asked' }] : [];
    const done = part === 1;
    return JSON.parse(
      JSON.stringify({
        id: order.id,
        tenantId: order.tenantId,
        state: done ? 'done' : part > 0.2 ? 'cutOff' : 'accepted',
        by: order.by,
        remoteAddress: order.remoteAddress,
        at: shown(order.at),
        scope: order.scope,
        reason: order.reason,
        denyUntil: order.denyUntil && shown(order.denyUntil),
        select: order.select,
        users: order.users,
        connections: order.connections,
        gone: order.gone,
        delivered: { users: Math.floor(part * order.users), connections: Math.floor(part * (order.connections - order.gone)) },
        unreached: brief ? undefined : unreached,
        unreachedTotal: unreached.length,
        doneAt: done ? shown(order.at + (order.background ? 3_000 : 0)) : undefined,
      }),
    );
  }
}

const counts = ({ users, connections }) => ({ users: users.size, connections: connections.length });

function check(caller, body) {
  const known = ['tenantId', 'select', 'scope', 'reason', 'denySeconds', 'dryRun', 'receipt'];
  const stray = Object.keys(body).filter((name) => !known.includes(name));
  const { select } = body;
  if (stray.length > 0 || typeof select !== 'object' || select === null) throw unreadable();
  const members = Object.keys(select);
  if (members.some((name) => ![...PARAMETERS, ...LISTS, 'filters'].includes(name))) throw unreadable();
  if ([...LISTS, 'filters'].some((name) => name in select && !Array.isArray(select[name]))) throw unreadable();
  if (members.every((name) => Array.isArray(select[name]) && select[name].length === 0)) {
    throw new Refusal(400, 'protocol_error', 'Query field objectIds is empty');
  }
  if (!['user', 'connection'].includes(body.scope)) throw invalid('scope must be user or connection');
  if (Buffer.byteLength(body.reason ?? '') > 256) throw invalid('reason must have at most 256 bytes');
  if (body.dryRun && body.receipt !== undefined) throw invalid('a dry run takes no receipt');
  if (body.denySeconds !== undefined) {
    const fits = Number.isInteger(body.denySeconds) && body.denySeconds >= 1 && body.denySeconds <= 31_536_000;
    if (!fits || body.scope !== 'user') throw invalid('denySeconds must be between 1 and 31536000, for users');
    need(caller, 'administer');
  }
  if (body.tenantId !== undefined && String(body.tenantId) !== caller.tenantId && !caller.anyTenant) throw forbidden();
}
