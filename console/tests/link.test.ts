import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Refusal } from '../mock/errors.mjs';
import { sha256 } from '../mock/population.mjs';
import { Mock } from '../mock/server.mjs';
import { Client, Refused, Unreachable, isPassing, pause } from '../src/api/client';
import { Texts } from '../src/i18n';
import { type Ending, revokeLink, told, toldOfEarlier } from '../src/link';

let mock: Mock;
let root: URL;
beforeEach(async () => {
  mock = await new Mock({ users: 1 }).start();
  root = new URL(mock.url);
});
afterEach(async () => {
  vi.useRealTimers();
  await mock.stop();
});

const me = (tenant?: string) => new Client(root, 'admin-token', tenant).me();
const revoked = () => [...mock.callers.revoked];

/** Waits for an ending, without its pauses. */
async function soon(ending: Promise<Ending>): Promise<Ending> {
  let found: Ending | undefined;
  void ending.then((one) => (found = one));
  for (let turn = 0; turn < 10_000 && !found; turn += 1) await vi.advanceTimersByTimeAsync(1_000);
  return ending;
}

test('a link’s token is revoked, also where another tenant was chosen', async () => {
  const chosen = await me('7');
  const { unknown } = await new Client(root, 'admin-token', '7').revoke(chosen.userId, [sha256('admin-token')]);
  expect([unknown, revoked()]).toEqual([[sha256('admin-token')], []]);
  expect(await revokeLink(root, 'admin-token', chosen)).toEqual({ is: 'revoked' });
  expect(revoked()).toEqual([sha256('admin-token')]);
  expect(await revokeLink(root, 'admin-token', chosen)).toEqual({ is: 'ended' });
});

test('whose it is, is asked where that is not known', async () => {
  expect(await revokeLink(root, 'admin-token')).toEqual({ is: 'revoked' });
  expect(revoked()).toEqual([sha256('admin-token')]);
  expect(await revokeLink(root, 'reader-token')).toEqual({ is: 'kept' });
});

test('a token that is unknown is kept', async () => {
  const found = await me();
  expect(await revokeLink(root, 'admin-token', { ...found, userId: '101' })).toEqual({ is: 'kept', until: found.token?.expiresAt });
  expect(revoked()).toEqual([]);
});

test('what fails for the moment is tried as often as one may, and nothing else is', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  let failures = 0;
  const answer = (status: number, until: number) => {
    failures = 0;
    mock.fault = () => ((failures += 1) <= until ? new Refusal(status, 'key', 'not now') : undefined);
  };
  answer(503, 3);
  expect(await soon(revokeLink(root, 'admin-token', undefined, 2))).toEqual({ is: 'kept' });
  expect(failures).toBe(3);
  answer(403, 1);
  expect(await soon(revokeLink(root, 'admin-token', undefined, 2))).toEqual({ is: 'kept' });
  expect(failures).toBe(1);
  answer(429, 2);
  expect(await soon(revokeLink(root, 'admin-token', undefined, 2))).toEqual({ is: 'revoked' });
  await mock.stop();
  expect(await soon(revokeLink(root, 'admin-token', undefined, 1))).toEqual({ is: 'kept' });
  await mock.start();
});

test('what passes is asked again in 2 s, or when the server says', () => {
  const refused = (status: number, after?: number) => new Refused(status, 'key', 'not now', null, after);
  expect([new Unreachable(), refused(429), refused(500), refused(503)].every(isPassing)).toBe(true);
  expect([refused(400), refused(401), refused(403), refused(404), new Error()].some(isPassing)).toBe(false);
  expect([new Unreachable(), refused(503), refused(429, 5_000), refused(429, 1e9)].map(pause)).toEqual([2_000, 2_000, 5_000, 60_000]);
});

test('the server’s pause is read', async () => {
  mock.fault = () => new Refusal(429, 'too_many_requests', 'too many requests', { 'retry-after': '7' });
  await expect(me()).rejects.toMatchObject({ status: 429, after: 7_000 });
  mock.fault = () => new Refusal(503, 'server_busy', 'busy', { 'retry-after': 'Sun, 29 Nov 2026 12:00:00 GMT' });
  await expect(me()).rejects.toMatchObject({ status: 503, after: 0 });
});

test('a token is called revoked where it is, and a date is told where one is known', () => {
  const texts = new Texts('en');
  const endings: Ending[] = [{ is: 'revoked' }, { is: 'ended' }, { is: 'kept' }, { is: 'kept', until: 'then' }];
  expect(endings.filter((one) => /is revoked/.test(told(texts, one)))).toEqual([{ is: 'revoked' }]);
  expect(endings.filter((one) => toldOfEarlier(texts, one) === undefined)).toEqual([{ is: 'revoked' }, { is: 'ended' }]);
  for (const tell of [told, toldOfEarlier]) expect(tell(texts, { is: 'kept', until: 'then' })).toMatch(/until then\.$/);
});
