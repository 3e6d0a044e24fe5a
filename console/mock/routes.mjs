// The routes: `METHOD /path` to what answers them.

import { need } from './callers.mjs';
import { read, shown } from './clock.mjs';
import { Refusal, invalid, success, unreadable } from './errors.mjs';
import { matcher, ofQuery } from './filters.mjs';
import { row, socket } from './population.mjs';

const ORDERED = {
  id: (record) => BigInt(record.id),
  userId: (record) => BigInt(record.userId),
  fullName: (record) => record.fullName,
  onlineDate: (record) => record.onlineAt,
  offlineDate: (record) => record.offlineAt ?? -1,
};
const LIST = ['pageNo', 'pageSize', 'orderBy', 'orderSort', 'infoScope'];

/** Every route: method, path, the heading of its shape in administration.md, and its handler. */
export const ANSWERS = [
  ['GET', /^\/health$/, undefined, health],
  ['GET', /^\/api\/v1\/message\/center\/online$/, undefined, list],
  ['GET', /^\/admin\/v1\/me$/, 'The caller', me],
  ['GET', /^\/admin\/v1\/summary$/, 'Summary', summary],
  ['GET', /^\/admin\/v1\/users\/([^/]+)$/, 'One user', user],
  ['POST', /^\/admin\/v1\/users\/([^/]+)\/tokens:revoke$/, 'Revoking tokens', revoke],
  ['POST', /^\/admin\/v1\/users\/([^/]+)\/unlock$/, undefined, unlock],
  ['POST', /^\/admin\/v1\/force-offs$/, undefined, forceOff],
  ['GET', /^\/admin\/v1\/force-offs$/, undefined, orders],
  ['GET', /^\/admin\/v1\/force-offs\/([^/]+)$/, 'One order', order],
  ['GET', /^\/admin\/v1\/audit$/, 'Audit', audit],
];

function health(mock) {
  return { status: mock.health };
}

function page(query, all) {
  const number = (name, fallback, most) => {
    const value = query.get(name) || String(fallback);
    if (!/^\d+$/.test(value) || value < 1 || value > most) throw invalid(`${name} must be between 1 and ${most}`);
    return Number(value);
  };
  const size = number('pageSize', 10, 2_000);
  const from = (number('pageNo', 1, 100_000) - 1) * size;
  return { total: String(all.length), list: all.slice(from, from + size) };
}

function list(mock, { caller, query }) {
  need(caller, 'read');
  const orderBy = query.get('orderBy') || 'id';
  const orderSort = query.get('orderSort') || 'DESC';
  if (!['ASC', 'DESC'].includes(orderSort)) throw invalid('orderSort must be ASC or DESC');
  const value = ORDERED[orderBy];
  if (!value) throw new Refusal(400, 'unsupported_order_by', `Unsupported order by ${orderBy}`);
  mock.noteStray(query, [...LIST, ...Object.keys(row({ onlineAt: 0, offlineAt: 0 }))], /^filters\[\d+\]\.(key|op|value)$/);
  const passes = matcher(ofQuery(query));
  const all = mock.population.directory.filter((record) => record.tenantId === caller.tenantId && passes(record));
  const sign = orderSort === 'ASC' ? 1 : -1;
  all.sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one !== other) return one < other ? -sign : sign;
    return BigInt(a.id) < BigInt(b.id) ? 1 : -1;
  });
  const { total, list } = page(query, all);
  return success({ total, list: list.map(row) });
}

function me(mock, { caller }) {
  const { userId, name, tenantId, anyTenant, rights, ours, sha256 } = caller;
  const token = ours && { sha256, expiresAt: shown(Date.now() + 90 * 86_400_000) };
  return { userId, name, tenantId, anyTenant, rights, ...(token && { token }), timeZone: 'UTC', now: shown(Date.now()), version: '0.0.0-mock' };
}

function summary(mock, { caller }) {
  need(caller, 'read');
  const live = mock.population.live((record) => record.tenantId === caller.tenantId);
  const count = (records) => ({ users: new Set(records.map((one) => one.userId)).size, connections: records.length });
  const platforms = [...new Set(live.map((record) => record.platformID ?? 99))].sort((a, b) => a - b).map((platform) => {
    const records = live.filter((record) => (record.platformID ?? 99) === platform);
    const kind = platform === 99 ? { protocol: 'messageCenter' } : { protocol: 'openim', platformID: platform };
    return { ...kind, ...count(records) };
  });
  return {
    tenantId: caller.tenantId,
    now: shown(Date.now()),
    ...count(live),
    platforms,
    since: shown(mock.since),
    ...mock.counters,
    ...(caller.anyTenant && !caller.named && { tenants: [{ tenantId: '0', ...count(live) }] }),
    ...(mock.nodes && { nodes: mock.nodes }),
  };
}

function user(mock, { caller, path: [userId] }) {
  need(caller, 'read');
  const { population } = mock;
  const live = population.live((record) => record.userId === userId && record.tenantId === caller.tenantId);
  const tokens = population.tokens.filter((token) => token.userId === userId);
  const deny = population.denied.get(userId);
  const gateway = live.filter((record) => record.platformID);
  return {
    userId,
    tenantId: caller.tenantId,
    online: live.length > 0,
    connections: gateway.map((record) => ({ platformID: record.platformID, connID: record.connID, isBackground: false })),
    consoles: live.filter((record) => !record.platformID).map((record) => record.connID),
    recordTenants: live.length > 0 ? [caller.tenantId] : [],
    records: /^\d+$/.test(userId) ? live.map(row).reverse().slice(0, 100) : [],
    live: live.map(socket),
    tokens: tokens.slice(0, 100).map(({ sha256, platformID, state, issuedAt, expiresAt }) => ({
      sha256,
      platformID,
      state,
      issuedAt: shown(issuedAt),
      expiresAt: shown(expiresAt),
      connections: live.filter((record) => record.token === sha256).length,
    })),
    tokensTotal: tokens.length,
    ...(deny && {
      deny: {
        until: shown(deny.until),
        since: shown(deny.since),
        by: deny.by,
        ...(deny.reason === undefined ? {} : { reason: deny.reason }),
        orderId: deny.orderId,
      },
    }),
  };
}

function revoke(mock, { caller, path: [userId], body, remoteAddress }) {
  if (userId !== caller.userId) need(caller, 'off');
  const { sha256: hashes } = body;
  if (!Array.isArray(hashes)) throw unreadable();
  if (hashes.length < 1 || hashes.length > 100 || !hashes.every((one) => /^[0-9a-f]{64}$/.test(one))) {
    throw invalid('sha256 must be 1 to 100 hashes');
  }
  // All users are of tenant 0; from another one their tokens look unknown.
  const within = caller.tenantId === '0' ? hashes : [];
  const own = within.filter((one) => one === caller.sha256 && userId === caller.userId);
  own.forEach((one) => mock.callers.revoked.add(one));
  const good = mock.kickTokens((token) => token.userId === userId && within.includes(token.sha256));
  const ending = mock.population.live((record) => within.includes(record.token));
  mock.end(ending, Date.now());
  const chosen = { users: new Set([userId]), connections: ending };
  mock.note(caller, 'tokensRevoke', mock.id(), { select: { userIds: [userId] } }, chosen, remoteAddress);
  const known = new Set([...own, ...mock.population.tokens.filter((one) => one.userId === userId).map((one) => one.sha256)]);
  const unknown = hashes.filter((one) => !within.includes(one) || !known.has(one));
  return { revoked: good + own.length, connections: ending.length, unknown };
}

function unlock(mock, { caller, path: [userId], remoteAddress }) {
  need(caller, 'administer');
  const unlocked = mock.population.denied.delete(userId);
  const chosen = { users: new Set([userId]), connections: [] };
  mock.note(caller, 'userUnlock', mock.id(), { select: { userIds: [userId] } }, chosen, remoteAddress);
  return { unlocked };
}

function forceOff(mock, { caller, body, remoteAddress, response }) {
  need(caller, 'off');
  const [status, answer] = mock.orders.give(caller, body, remoteAddress);
  response.statusCode = status;
  mock.conforms(body.dryRun ? 'Orders' : 'One order', answer);
  return answer;
}

const within = (query, at) => {
  const [from, to] = ['from', 'to'].map((name) => (query.get(name) ? read(query.get(name)) : undefined));
  return at >= (from ?? 0) && at <= (to ?? Infinity) + 999;
};

function orders(mock, { caller, query }) {
  need(caller, 'read');
  mock.noteStray(query, ['before', 'limit', 'tenantId']);
  const all = mock.orders.list
    .filter((one) => one.tenantId === caller.tenantId && (!query.get('before') || one.id < query.get('before')))
    .map((one) => mock.orders.shown(one, { brief: true }));
  all.forEach((one) => mock.conforms('One order', one));
  return slice(query, all, 100);
}

function order(mock, { caller, path: [id] }) {
  need(caller, 'read');
  const found = mock.orders.list.find((one) => one.id === id && one.tenantId === caller.tenantId);
  if (!found) throw new Refusal(404, 'resource_not_found', `Not found resource ForceOff「${id}」`);
  return mock.orders.shown(found);
}

function audit(mock, { caller, query }) {
  need(caller, 'administer');
  mock.noteStray(query, ['limit', 'before', 'operation', 'by', 'userId', 'from', 'to']);
  const all = mock.audit
    .filter((one) => within(query, one.when))
    .filter((one) => !query.get('operation') || one.shown.operation === query.get('operation'))
    .filter((one) => !query.get('by') || one.shown.by.userId === query.get('by'))
    .filter((one) => !query.get('userId') || one.named.has(query.get('userId')))
    .filter((one) => !query.get('before') || one.shown.id < query.get('before'))
    .map((one) => one.shown);
  return slice(query, all, 1_000);
}

/** The first of a list that nobody counts, and where the next part begins. */
function slice(query, all, most) {
  const limit = Number(query.get('limit') || '100');
  if (!(limit >= 1 && limit <= most)) throw invalid(`limit must be between 1 and ${most}`);
  const list = all.slice(0, limit);
  return { list, ...(all.length > limit ? { next: list[limit - 1].id } : {}) };
}
