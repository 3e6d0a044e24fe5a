import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Mock } from '../mock/server.mjs';
import { differences, examples } from '../mock/shapes.mjs';

const mock = new Mock({ users: 20 });
beforeAll(() => mock.start());
afterAll(() => mock.stop());

async function ask(method: string, path: string, body?: unknown, token = 'admin-token') {
  const answer = await fetch(mock.url + path, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> & { ext?: { eKey: string } } };
}

test('a shape says what an answer may have', () => {
  const example = { a: 'x', list: [{ b: 1 }, { c: true }] };
  expect(differences(example, { a: 'y', list: [{ c: false }] })).toEqual([]);
  expect(differences(example, { a: 1, list: [{ b: null }], d: 1 })).toHaveLength(3);
});

test('every success is as the page shows it', async () => {
  const select = { filters: [{ key: 'fullName', op: 'IS_NOT_NULL' }], online: true };
  const order = { select, scope: 'user', reason: 'r', denySeconds: 60 };
  for (const path of ['me', 'summary', 'users/101', 'users/unknown', 'force-offs', 'audit']) {
    expect((await ask('GET', `/admin/v1/${path}`)).status, path).toBe(200);
  }
  const dry = await ask('POST', '/admin/v1/force-offs', { ...order, dryRun: true });
  expect(dry.body).toMatchObject({ users: expect.any(Number), receipt: expect.any(String) });
  const given = await ask('POST', '/admin/v1/force-offs', { ...order, receipt: dry.body['receipt'] });
  const again = await ask('POST', '/admin/v1/force-offs', { ...order, receipt: dry.body['receipt'] });
  expect(again.body['id']).toBe(given.body['id']);
  expect((await ask('GET', '/admin/v1/users/101')).body['deny']).toBeDefined();
  await ask('GET', `/admin/v1/force-offs/${given.body['id'] as string}`);
  await ask('GET', '/admin/v1/audit?operation=forceOff');
  expect(mock.violations).toEqual([]);
});

test.each([
  [400, 'param_validation_error', { select: {}, scope: 'user' }, 'admin-token'],
  [400, 'param_validation_error', { select: { userIds: [] }, scope: 'user' }, 'admin-token'],
  [400, 'param_parsing_error', { select: { who: 1 }, scope: 'user' }, 'admin-token'],
  [400, 'param_parsing_error', { select: { userIds: ['alice'] }, scope: 'user' }, 'admin-token'],
  [400, 'param_validation_error', { select: { filters: [{ key: 'fullName', op: 'MATCH', value: ' ' }] } }, 'admin-token'],
  [400, 'param_validation_error', { select: { userIds: ['1'] }, scope: 'connection', denySeconds: 0 }, 'admin-token'],
  [403, 'forbidden', { select: { userIds: ['1'] }, scope: 'user' }, 'reader-token'],
  [403, 'forbidden', { select: { userIds: ['1'] }, scope: 'user', denySeconds: 1 }, 'operator-token'],
  [400, 'param_parsing_error', { select: { userIds: ['1'] }, scope: 'user', receipt: 'x' }, 'admin-token'],
  [409, 'conflict', { select: { userIds: ['1'] }, scope: 'user', receipt: '0'.repeat(32) }, 'admin-token'],
])('%i %s', async (status, key, body, token) => {
  const answer = await ask('POST', '/admin/v1/force-offs', body, token);
  expect([answer.status, answer.body.ext?.eKey]).toEqual([status, key]);
});

test('17 dry runs of a tenant are one too many', async () => {
  const own = await new Mock({ users: 1 }).start();
  const dry = () => own.orders.give(own.callers.of({ headers: { authorization: 'Bearer admin-token' } }), { select: { userIds: ['1'] }, dryRun: true }, '');
  for (let at = 0; at < 16; at += 1) dry();
  expect(dry).toThrow('busy');
  await own.stop();
});

test('the page documents each route that the mock answers', () => {
  const text = readFileSync(new URL('../mock/administration.md', import.meta.url), 'utf8');
  for (const route of ['me', 'summary', 'users/{userId}', 'users/{userId}/tokens:revoke', 'users/{userId}/unlock', 'force-offs', 'force-offs/{id}', 'audit']) {
    expect(text).toContain(`/admin/v1/${route}\``);
  }
  expect(Object.keys(examples()).length).toBeGreaterThan(6);
});
