// What an operator does.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, inject, test } from 'vitest';

import { Refusal } from '../mock/errors.mjs';
import { HOSTILE, sha256 } from '../mock/population.mjs';
import type { Mock } from '../mock/server.mjs';
import { offered } from '../tools/routes.mjs';
import { Visit } from './visit';

test.concurrent('a link’s token leaves the address at once, stays in the tab, and dies with the session', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await page.goto('/console/#token=admin-token');
    await visit.heading('Overview').waitFor();
    expect(page.url()).toBe(`${mock.url}/console/#/`);
    expect(await page.evaluate('history.length')).toBeLessThanOrEqual(2);
    expect(mock.requests.some(({ url }) => url.includes('admin-token'))).toBe(false);
    expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).not.toContain('admin-token');
    await page.reload();
    await visit.heading('Overview').waitFor();
    const other = await page.context().newPage();
    await other.goto('/console/');
    await other.getByRole('button', { name: 'Sign in' }).waitFor();
    await visit.button('Sign out').click();
    await page.getByText('The link’s token is revoked.').waitFor();
    expect(mock.callers.revoked).toEqual(new Set([sha256('admin-token')]));
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    await page.getByLabel('Token').fill('admin-token');
    await visit.button('Sign in').click();
    await page.getByText('does not accept this token').waitFor();
  });
});

test.concurrent('signing out revokes the link’s token whatever tenant is shown', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await visit.enter('admin-token');
    await page.getByLabel('Show tenant').fill('7');
    await visit.button('Change').click();
    await page.getByText('imAdmin, tenant 7').waitFor();
    await visit.button('Sign out').click();
    await page.getByText('Signed out. The link’s token is revoked.').waitFor();
    expect(mock.callers.revoked).toEqual(new Set([sha256('admin-token')]));
  });
});

test.concurrent('a token that the server does not know is not called revoked', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await page.route('**/tokens:revoke', async (route) => {
      const { sha256: unknown } = route.request().postDataJSON() as { sha256: string[] };
      await route.fulfill({ json: { revoked: 0, connections: 0, unknown } });
    });
    await visit.enter('admin-token', '#/users/101');
    await visit.button(/^Revoke the token/).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('Not revoked: the server knows no such token').waitFor();
    await visit.button('Sign out').click();
    await page.getByText(/^Signed out\. The link’s token could not be revoked: it stays good until \d{4}-/).waitFor();
    expect(mock.callers.revoked.size).toBe(0);
  });
});

test.concurrent.each([
  ['429 too_many_requests', new Refusal(429, 'too_many_requests', 'too many requests', { 'retry-after': '1' })],
  ['503 server_busy', new Refusal(503, 'server_busy', 'the server is busy')],
])('a link’s token is kept while the server answers %s', async (_, refusal) => {
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      await page.goto('/console/#token=admin-token');
      await page.getByText(/^The server refused: .* The page keeps trying\.$/).waitFor();
      expect(await page.evaluate('sessionStorage.length')).toBe(1);
      mock.fault = undefined;
      await visit.heading('Overview').waitFor();
    },
    { prepare: (mock) => (mock.fault = (path) => (path === '/admin/v1/me' ? refusal : undefined)) },
  );
});

test.concurrent('a link that is given up is revoked as soon as the server answers', async () => {
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      await page.goto('/console/#token=admin-token');
      await page.getByText('The page keeps trying.').waitFor();
      await visit.button('Cancel').click();
      await page.getByText('is being revoked').waitFor();
      expect(await page.evaluate('sessionStorage.length')).toBe(0);
      mock.fault = undefined;
      await page.getByText('The link’s token is revoked.').waitFor();
      expect(mock.callers.revoked).toEqual(new Set([sha256('admin-token')]));
    },
    { prepare: (mock) => (mock.fault = () => new Refusal(503, 'server_busy', 'the server is busy')) },
  );
});

test.concurrent('a second link in a tab revokes the token of the first', async ({ expect }) => {
  for (const between of ['#/', '/docs']) {
    await Visit.run(async (visit) => {
      const { page, mock } = visit;
      await visit.enter('admin-token');
      await visit.heading('Overview').waitFor();
      if (between === '/docs') await page.goto(between);
      // The same link again replaces nothing.
      for (const token of ['admin-token', 'second-token']) {
        await page.goto(`/console/#token=${token}`);
        await visit.heading('Overview').waitFor();
      }
      await expect.poll(() => [...mock.callers.revoked]).toEqual([sha256('admin-token')]);
      await page.reload();
      await visit.heading('Overview').waitFor();
      await page.route('**/tokens:revoke', (route) => route.fulfill({ json: { revoked: 0, connections: 0, unknown: ['x'] } }));
      mock.callers.revoked.clear();
      await page.goto('/console/#token=admin-token');
      await page.getByText('The token of the link before could not be revoked: it stays good until').waitFor();
      await visit.heading('Overview').waitFor();
    });
  }
});

test.concurrent('signing out ends the other tabs of the same token', async () => {
  await Visit.run(async (visit) => {
    const { page } = visit;
    const [same, another] = [await page.context().newPage(), await page.context().newPage()];
    for (const [tab, token] of [[page, 'admin-token'], [same, 'admin-token'], [another, 'second-token']] as const) {
      await tab.goto(`/console/#token=${token}`);
      await tab.getByRole('heading', { name: 'Overview' }).waitFor();
    }
    await visit.button('Sign out').click();
    await page.getByText('The link’s token is revoked.').waitFor();
    await same.getByText('Signed out in another tab.').waitFor();
    expect(await same.evaluate('sessionStorage.length')).toBe(0);
    await another.getByRole('heading', { name: 'Overview' }).waitFor();
  });
});

test.concurrent('a token that was entered is not revoked', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await page.goto('/console/');
    await visit.button('Sign in').click();
    await page.getByText('Enter a token.').waitFor();
    await page.getByLabel('Token').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('does not accept this token').waitFor();
    await page.getByLabel('Token').fill('admin-token');
    await page.keyboard.press('Enter');
    await visit.heading('Overview').waitFor();
    await visit.button('Sign out').click();
    await page.getByText('Signed out.', { exact: true }).waitFor();
    expect(mock.callers.revoked.size).toBe(0);
  });
});

test.concurrent('filter, sort and page stand in the address, and come back with it', async ({ expect }) => {
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      await visit.enter('admin-token', '#/connections');
      await visit.button('Add a filter').click();
      await visit.button('Apply').click();
      await page.getByText('A value is missing.').waitFor();
      await page.getByLabel('Value').fill('Zhang');
      await visit.button('Apply').click();
      const expected = mock.population.records.filter((record) => record.fullName.includes('Zhang')).length;
      await page.getByText(`of ${expected}`, { exact: false }).first().waitFor();
      await visit.button('Name').click();
      await page.getByRole('columnheader', { name: 'Name' }).and(page.locator('[aria-sort=ascending]')).waitFor();
      await page.getByLabel('Rows').first().selectOption('20');
      await page.getByText(`1 to 20 of ${expected}`).first().waitFor();
      const rows = () => page.locator('tbody tr').allInnerTexts();
      const arrived = { timeout: 30_000 };
      // The pager names what was asked for, and the rows before stay until the answer.
      await expect.poll(async () => (await rows()).length, arrived).toBe(20);
      const ofFirstPage = await rows();
      await visit.button('Next page').first().click();
      await page.getByText(`21 to`).first().waitFor();
      await expect.poll(rows, arrived).not.toEqual(ofFirstPage);
      const before = await rows();
      await page.reload();
      await page.getByText(`21 to`).first().waitFor();
      expect(await rows()).toEqual(before);
      await page.goBack();
      await page.getByText(`1 to 20 of ${expected}`).first().waitFor();
      await visit.button('Remove filter 1').click();
      await visit.button('Apply').click();
      await page.getByText(`of ${mock.population.records.length}`).first().waitFor();
    },
    { users: 300 },
  );
});

test.concurrent('a refresh brings what is new and keeps the place', async () => {
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      await visit.enter('admin-token', '#/connections?pageSize=200');
      const box = page.getByRole('checkbox', { name: /Select the connection/ }).nth(60);
      await box.check();
      const name = (await box.getAttribute('aria-label'))!;
      await box.scrollIntoViewIfNeeded();
      const scrolled = (await page.evaluate('scrollY')) as number;
      mock.population.connect({ userId: '777', fullName: 'Newcomer', platformID: 1 });
      await page.getByText('Newcomer').waitFor();
      const same = page.getByRole('checkbox', { name });
      expect(await same.isChecked()).toBe(true);
      expect(await same.evaluate((element) => element === document.activeElement)).toBe(true);
      // The browser keeps what is read where it is, though a row has come above it.
      expect(Math.abs(((await page.evaluate('scrollY')) as number) - scrolled)).toBeLessThan(200);
    },
    { users: 300 },
  );
});

test.concurrent('files of what is shown compute nothing', async () => {
  await Visit.run(async (visit) => {
    const { page } = visit;
    await visit.enter('admin-token', `#/connections?filters%5B0%5D.key=userId&filters%5B0%5D.op=EQUAL&filters%5B0%5D.value=${HOSTILE.userId}`);
    await page.locator('summary').click();
    await page.getByLabel('User agent').check();
    const file = async (name: string) => {
      const waiting = page.waitForEvent('download');
      await visit.button(name).click();
      const path = join(inject('artefacts'), `shown.${name.toLowerCase()}`);
      await (await waiting).saveAs(path);
      return readFileSync(path, 'utf8');
    };
    const table = await file('CSV');
    const [, row = ''] = table.split('\r\n');
    expect(table.split('\r\n')).toHaveLength(3);
    expect(row).toContain(`"'${HOSTILE.userAgent.replaceAll('"', '""')}"`);
    expect(row).toContain(`'${HOSTILE.deviceId}`);
    expect(row).toContain(`'${HOSTILE.remoteAddress}`);
    const lines = (await file('NDJSON')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ fullName: HOSTILE.fullName, userAgent: HOSTILE.userAgent }),
    ]);
    // Texts are texts.
    expect(await page.locator('main img, main svg').count()).toBe(0);
    await page.getByText('<img src=x', { exact: false }).first().waitFor();
  });
});

test.concurrent('an order: dry run, look, carry out, progress, audit', async () => {
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      await visit.enter('admin-token', '#/orders');
      await page.getByRole('link', { name: 'New order' }).click();
      await visit.heading('New order').waitFor();
      await page.getByLabel('Online only').check();
      await page.getByLabel('Reason').fill(HOSTILE.fullName);
      await page.getByLabel('Deny for').fill('2');
      await visit.button('Dry run').click();
      const live = mock.population.live();
      const users = new Set(live.map((record) => record.userId)).size;
      const counts = `Users: ${users.toLocaleString('en')}, matching connections: ${live.length.toLocaleString('en')}`;
      await page.getByText(counts).waitFor();
      mock.orders.limit = 0.5;
      expect(await page.locator('section.panel tbody tr').count()).toBe(20);
      expect(mock.population.live()).toHaveLength(live.length);
      await visit.check('order-dry-run');
      await visit.button('Carry out').click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      await visit.button('Carry out').click();
      await dialog.getByRole('button', { name: 'Carry out' }).click();
      await visit.heading(/^Order [0-9a-f]{32}$/).waitFor();
      await page.getByText('cut off', { exact: true }).waitFor();
      await page.getByRole('heading', { name: 'Not reached yet' }).waitFor();
      await visit.check('order-progress');
      mock.orders.limit = 1;
      await page.getByText('It has come to all of its users').waitFor();
      expect(await page.getByRole('heading', { name: 'Not reached yet' }).count()).toBe(0);
      expect(mock.population.live()).toHaveLength(0);
      expect(mock.orders.list).toHaveLength(1);
      expect(mock.orders.list[0]).toMatchObject({ reason: HOSTILE.fullName, users });
      expect(mock.population.denied.size).toBe(users);
      // What is done is not asked for any more.
      const asked = () => mock.requests.filter(({ url }) => url.includes('/force-offs/')).length;
      const before = asked();
      await page.getByRole('link', { name: 'What it selected' }).click();
      await page.getByRole('cell', { name: 'online EQUAL true', exact: false }).waitFor();
      await page.getByRole('cell', { name: '<img src=x', exact: false }).waitFor();
      expect(await page.locator('tbody tr').count()).toBe(1);
      expect(await page.locator('main img, main svg').count()).toBe(0);
      expect(asked()).toBeLessThanOrEqual(before + 1);
      await page.getByRole('link', { name: /^Order of/ }).click();
      await visit.heading(/^Order [0-9a-f]{32}$/).waitFor();
      await page.getByRole('link', { name: 'Orders' }).click();
      await page.getByRole('link', { name: /^Order of .* by imAdmin$/ }).waitFor();
      expect(await page.locator('tbody tr').count()).toBe(1);
    },
    { users: 1_200 },
  );
});

test.concurrent('what would be refused is said before it is sent', async ({ expect }) => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await visit.enter('admin-token', '#/orders/new');
    await visit.button('Dry run').click();
    await page.getByRole('alert').getByText('an empty selection is never everybody').waitFor();
    await page.getByLabel('userIDs').fill('alice');
    await page.getByRole('alert').getByText('userIDs are whole numbers').waitFor();
    await page.getByLabel('userIDs').fill('');
    await visit.button('Add a filter').click();
    await page.getByLabel('Value').fill(' ');
    await visit.button('Dry run').click();
    await page.getByText('A value is missing.').waitFor();
    expect(mock.requests.filter(({ url }) => url.includes('force-offs'))).toEqual([]);
    // The filters of an order are those of the list, and one may stand twice.
    await page.getByLabel('Value').fill('Zhang');
    await visit.button('Add a filter').click();
    await page.getByLabel('Value').nth(1).fill('Wei');
    await visit.button('Dry run').click();
    const both = mock.population.live((record) => record.fullName === 'Zhang Wei').length;
    await page.getByText(`matching connections: ${both}`).waitFor();
    // A reload begins with the same selection.
    await page.reload();
    await expect.poll(() => page.getByLabel('Value').nth(1).inputValue()).toBe('Wei');
  });
});

test.concurrent('a selection that is kept no more asks for another dry run', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await visit.enter('admin-token', '#/orders/new?userIds=101');
    await visit.button('Dry run').click();
    await visit.button('Carry out').waitFor();
    mock.orders.expire();
    await visit.button('Carry out').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Carry out' }).click();
    await page.getByText('Do a dry run again.').waitFor();
    expect(mock.orders.list).toHaveLength(0);
    // A change makes it another order.
    await visit.button('Dry run').click();
    await visit.button('Carry out').waitFor();
    await page.getByLabel('userIDs').fill('102');
    expect(await visit.button('Carry out').count()).toBe(0);
    await page.getByLabel('userIDs').fill('999999');
    await page.getByLabel('Online only').check();
    await visit.button('Dry run').click();
    await page.getByText('Nobody matches.').waitFor();
    expect(await visit.button('Carry out').count()).toBe(0);
  });
});

test.concurrent('an answer that comes after a change is for another order', async () => {
  await Visit.run(async (visit) => {
    const { page } = visit;
    await visit.enter('admin-token', '#/orders/new?userIds=101');
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    await page.route('**/admin/v1/force-offs', async (route) => {
      await held;
      await route.continue();
    });
    await visit.button('Dry run').click();
    await page.getByText('Loading').waitFor();
    await page.getByLabel('userIDs').fill('102');
    release();
    await page.getByText('Loading').waitFor({ state: 'detached' });
    expect(await visit.button('Carry out').count()).toBe(0);
  });
});

test.concurrent('a refused dry run says what to do, and the form stays', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await visit.enter('admin-token', '#/orders/new?userIds=101');
    const said = async (refusal: Error, text: string) => {
      mock.fault = (path) => (path === '/admin/v1/force-offs' ? refusal : undefined);
      await visit.button('Dry run').click();
      await page.getByText(text).waitFor();
      expect(await page.getByLabel('userIDs').inputValue()).toBe('101');
      expect(await visit.button('Carry out').count()).toBe(0);
    };
    await said(new Refusal(503, 'server_busy', 'The server is busy'), '16 dry runs');
    const large = 'the selection must have at most 5000 users and connections';
    await said(new Refusal(400, 'param_validation_error', large), 'at most 5,000 users and connections');
    await visit.check('order-refused');
    mock.fault = undefined;
    await visit.button('Dry run').click();
    await visit.button('Carry out').waitFor();
  });
});

test.concurrent('an order that does not move is not asked for without an end', async () => {
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      mock.orders.limit = 0.5;
      const caller = mock.callers.of({ headers: { authorization: 'Bearer admin-token' } });
      const filters = [{ key: 'online', op: 'EQUAL', value: 'true' }];
      mock.orders.give(caller, { select: { filters } }, '127.0.0.1');
      await page.clock.install();
      await visit.enter('admin-token', `#/orders/${mock.orders.list[0].id}`);
      await page.getByText(/^Users reached: 6\d\d of 1,2\d\d$/).waitFor();
      const asked = () => mock.requests.filter(({ url }) => url.includes('/force-offs/')).length;
      await page.clock.fastForward('00:31');
      await page.clock.fastForward('30:01');
      await page.getByText('this page has stopped asking').waitFor();
      await visit.check('order-stuck');
      const before = asked();
      await page.clock.fastForward('02:00:00');
      await page.getByText('this page has stopped asking').waitFor();
      expect(asked()).toBeLessThanOrEqual(before + 1);
      mock.orders.limit = 1;
      await visit.button('Ask again').click();
      await page.getByText('It has come to all of its users').waitFor();
      // What there is not is not asked for again and again either.
      await visit.go(`#/orders/${'0'.repeat(32)}`);
      await page.getByRole('alert').getByText('There is nothing of that name.').waitFor();
      await page.clock.fastForward('00:30');
      const unknown = mock.requests.filter(({ url }) => url.includes('0'.repeat(32))).length;
      await page.clock.fastForward('10:00');
      expect(mock.requests.filter(({ url }) => url.includes('0'.repeat(32))).length).toBe(unknown);
    },
    { users: 1_200 },
  );
});

test.concurrent('one connection, one platform, everything, deny, unlock, revoke', async ({ expect }) => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    const user = '800';
    for (const platformID of [1, 1, 2]) mock.population.connect({ userId: user, fullName: 'Li Min', platformID });
    mock.population.connect({ userId: user, fullName: 'Li Min', deviceId: 'web-1' });
    const live = () => mock.population.live((record) => record.userId === user).length;
    await visit.enter('admin-token', '#/connections');
    await page.getByRole('search').getByLabel('userID').fill(user);
    await page.keyboard.press('Enter');
    await visit.heading(`User ${user}`).waitFor();
    const dialog = page.getByRole('dialog');
    const act = async (button: string | RegExp, word: string) => {
      await visit.button(button).first().click();
      await dialog.getByRole('button', { name: word }).click();
      await dialog.waitFor({ state: 'detached' });
    };
    await act(/^Kick the connection/, 'Kick');
    await page.getByText('Carried out. Matching connections: 1.').waitFor();
    expect(live()).toBe(3);
    await act(/^Revoke the token/, 'Revoke');
    await page.getByText('Revoked.').waitFor();
    await act('Kick Android', 'Kick');
    await expect.poll(live).toBe(1);
    expect(mock.orders.list).toHaveLength(2);
    await visit.button('Deny').click();
    await dialog.getByLabel('Deny for').last().fill('0');
    expect(await dialog.getByRole('button', { name: 'Deny' }).isDisabled()).toBe(true);
    await dialog.getByLabel('Deny for').last().fill('3');
    await dialog.getByLabel('Reason').fill('abuse');
    await dialog.getByRole('button', { name: 'Deny' }).click();
    await page.getByText(/^Denied until/).waitFor();
    await page.getByText('Reason: abuse').waitFor();
    expect(live()).toBe(0);
    await act('Unlock', 'Unlock');
    await page.getByText('No deny window is open.').waitFor();
    expect(mock.population.denied.size).toBe(0);
  });
});

test.concurrent('what a token may not do is not offered', async () => {
  for (const [token, mayOrder] of [['reader-token', false], ['operator-token', true]] as const) {
    await Visit.run(async (visit) => {
      const { page } = visit;
      await visit.enter(token, '#/users/101');
      await page.getByRole('heading', { name: 'Live connections' }).waitFor();
      expect(await page.getByRole('heading', { name: 'Deny window' }).count()).toBe(0);
      expect(await visit.button('Kick everything').count()).toBe(mayOrder ? 1 : 0);
      expect(await visit.button(/^Kick the connection/).count() > 0).toBe(mayOrder);
      expect(await visit.button(/^Revoke/).count() > 0).toBe(mayOrder);
      for (const name of ['Deny', 'Unlock']) expect(await visit.button(name).count(), name).toBe(0);
      expect(await page.getByRole('link', { name: 'Audit' }).count()).toBe(0);
      expect(await page.getByLabel('Show tenant').count()).toBe(0);
      await visit.go('#/connections?filters%5B0%5D.key=online&filters%5B0%5D.op=EQUAL&filters%5B0%5D.value=true');
      await page.locator('tbody tr').first().waitFor();
      expect(await page.getByRole('checkbox', { name: /^Select/ }).count() > 0).toBe(mayOrder);
      expect(await page.getByRole('link', { name: 'Order for all' }).count()).toBe(mayOrder ? 1 : 0);
      await visit.go('#/orders');
      await page.getByText('As of').waitFor();
      expect(await page.getByRole('link', { name: 'New order' }).count()).toBe(mayOrder ? 1 : 0);
      await visit.go('#/orders/new');
      if (mayOrder) {
        await visit.button('Dry run').waitFor();
        expect(await page.getByLabel('Deny for').count()).toBe(0);
      } else {
        await page.getByText('This token may not do that.').waitFor();
      }
      await visit.go('#/audit');
      await page.getByText('This token may not do that.').waitFor();
      if (!mayOrder) await visit.check('reader');
    });
  }
  await Visit.run(async (visit) => {
    await visit.enter('bare-token');
    await visit.page.getByText('This token may see nothing here.').waitFor();
    expect(visit.mock.requests.map(({ url }) => url)).toEqual(['/admin/v1/me']);
  });
});

test.concurrent('what the server does not have is not offered', async () => {
  const prepare = (mock: Mock) => (mock.offered = offered({ paths: { '/admin/v1/users/{userId}/tokens:revoke': { post: {} } } }));
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      await visit.enter('admin-token');
      await page.locator('.card').getByText('serving').waitFor();
      for (const name of ['Orders', 'Audit']) expect(await page.getByRole('link', { name }).count(), name).toBe(0);
      await visit.go('#/connections?filters%5B0%5D.key=online&filters%5B0%5D.op=EQUAL&filters%5B0%5D.value=true');
      await page.locator('tbody tr').first().waitFor();
      expect(await page.getByRole('checkbox', { name: /^Select/ }).count()).toBe(0);
      await visit.go('#/users/101');
      await visit.button(/^Revoke the token/).first().waitFor();
      for (const name of [/^Kick/, 'Deny']) expect(await visit.button(name).count(), String(name)).toBe(0);
      expect(await page.getByText(/deny window/i).count()).toBe(0);
      await visit.button('Unlock').click();
      await page.getByRole('dialog').getByText('What earlier orders left on opaque tokens is lifted.').waitFor();
      expect(mock.requests.filter(({ url }) => /summary|force-offs|audit/.test(url))).toEqual([]);
    },
    { prepare },
  );
});

test.concurrent('what the server has so far is offered without the rest', async () => {
  const prepare = (mock: Mock) => (mock.offered = offered());
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      const has = (name: string) => mock.offered.includes(name);
      await visit.enter('admin-token', '#/users/101');
      await visit.button('Kick everything').waitFor();
      expect(await visit.button('Deny').count()).toBe(has('ForceOffRequest.denySeconds') ? 1 : 0);
      await visit.go('#/orders/new?userIds=101');
      await visit.button('Dry run').click();
      expect(await page.getByLabel('Deny for').count()).toBe(has('ForceOffRequest.denySeconds') ? 1 : 0);
      await visit.button('Carry out').click();
      await page.getByRole('dialog').getByRole('button', { name: 'Carry out' }).click();
      await page.getByText('It has come to all of its users').waitFor();
      expect(mock.requests.some(({ url }) => url === '/admin/v1/summary')).toBe(has('/admin/v1/summary'));
    },
    { prepare },
  );
});

test.concurrent('a user that orders cannot name is taken offline token by token', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    for (const platformID of [1, 2, 5]) mock.population.connect({ userId: 'alice/1', fullName: 'Alice', platformID });
    const live = () => mock.population.live((record) => record.userId === 'alice/1').length;
    await visit.enter('admin-token', `#/users/${encodeURIComponent('alice/1')}`);
    const act = async (button: string | RegExp) => {
      await visit.button(button).first().click();
      await page.getByRole('dialog').locator('button.danger').click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    };
    await act(/^Kick the connection/);
    expect(live()).toBe(2);
    await act('Kick Web');
    expect(live()).toBe(1);
    await act('Kick everything');
    expect(live()).toBe(0);
    expect(await visit.button('Deny').count()).toBe(0);
    expect(mock.requests.filter(({ url }) => url.includes('force-offs'))).toEqual([]);
  });
});

test.concurrent('a server that goes away is said so, and the page comes back with it', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await visit.enter('admin-token', '#/connections');
    await page.locator('tbody tr').nth(5).waitFor();
    const rows = await page.locator('tbody tr').count();
    await mock.stop();
    await visit.button('Refresh').click();
    await page.getByRole('alert').getByText(/does not answer. What you see is from/).waitFor();
    expect(await page.locator('tbody tr').count()).toBe(rows);
    await visit.check('away');
    mock.population.connect({ userId: '778', fullName: 'Meanwhile', platformID: 1 });
    await mock.start();
    await page.getByText('Meanwhile').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    // Also at the door.
    await mock.stop();
    mock.callers.revoked.add(sha256('admin-token'));
    await mock.start();
    await page.getByText('The token is not good any more.').waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
  });
});

test.concurrent('an answer that is lost does not order twice', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await visit.enter('admin-token', '#/orders/new?userIds=101');
    await visit.button('Dry run').click();
    await visit.button('Carry out').click();
    // The order arrives, its answer does not.
    await page.route('**/admin/v1/force-offs', async (route) => {
      await route.fetch();
      await route.abort();
    });
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Carry out' }).click();
    await dialog.getByText('it will not be ordered twice').waitFor();
    expect(mock.orders.list).toHaveLength(1);
    await page.unroute('**/admin/v1/force-offs');
    await dialog.getByRole('button', { name: 'Carry out' }).click();
    await visit.heading(/^Order/).waitFor();
    expect(mock.orders.list).toHaveLength(1);
  });
});

test.concurrent('everything can be reached by keyboard', async () => {
  await Visit.run(async (visit) => {
    const { page } = visit;
    await visit.enter('admin-token', '#/users/101');
    await visit.button('Kick everything').waitFor();
    await page.reload();
    await visit.button('Kick everything').waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('H1');
    const reached: string[] = [];
    for (let step = 0; step < 60 && !reached.includes('Kick everything'); step += 1) {
      await page.keyboard.press('Tab');
      reached.push((await page.evaluate('document.activeElement.textContent')) as string);
    }
    expect(reached).toContain('Kick everything');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    expect(await page.evaluate(`document.activeElement.closest('dialog') !== null`)).toBe(true);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Kick everything');
  });
});

test.concurrent('a caller above tenants looks into another one', async () => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    await visit.enter('admin-token', '#/connections');
    await page.locator('tbody tr').nth(5).waitFor();
    await page.getByLabel('Show tenant').fill('7');
    await visit.button('Change').click();
    await page.getByText('imAdmin, tenant 7').waitFor();
    await page.getByText('Nothing matches.').waitFor();
    expect(mock.requests.at(-1)?.headers['xc-opt-tenant-id']).toBe('7');
    // No tenant, so nothing is asked.
    const field = page.getByLabel('Show tenant');
    await field.fill('9223372036854775808');
    await visit.button('Change').click();
    expect(await field.evaluate((input) => (input as HTMLInputElement).validationMessage)).toContain('at most 9223372036854775807');
    await field.fill('9223372036854775807');
    await visit.button('Change').click();
    await page.getByText('imAdmin, tenant 9223372036854775807').waitFor();
    expect(mock.requests.some(({ headers }) => headers['xc-opt-tenant-id'] === '9223372036854775808')).toBe(false);
  });
});

test.concurrent.each([400, 403])('a tenant that is refused with %i costs the tenant, not the token', async (status) => {
  await Visit.run(async (visit) => {
    const { page, mock } = visit;
    mock.fault = (_, headers) => (headers['xc-opt-tenant-id'] === '8' ? new Refusal(status, 'key', 'Tenant 8 is denied') : undefined);
    await visit.enter('admin-token');
    await page.getByLabel('Show tenant').fill('8');
    await visit.button('Change').click();
    await page.getByText('The server does not show tenant 8: Tenant 8 is denied').waitFor();
    await page.getByText('imAdmin, tenant 0').waitFor();
    await visit.button('Sign out').click();
    await page.getByText('The link’s token is revoked.').waitFor();
    expect(mock.callers.revoked).toEqual(new Set([sha256('admin-token')]));
  });
});

test.concurrent('the language is chosen, and kept', async () => {
  await Visit.run(async (visit) => {
    const { page } = visit;
    await visit.enter('admin-token');
    await page.getByLabel('Language').selectOption('zh');
    await visit.heading('概览').waitFor();
    await page.reload();
    await visit.heading('概览').waitFor();
    expect(await page.title()).toContain('控制台');
  });
});

test.concurrent('a page of 500 rows appears and changes within a moment', async () => {
  await Visit.run(
    async (visit) => {
      const { page } = visit;
      await visit.enter('admin-token', '#/connections?pageSize=500');
      await page.locator('tbody tr').nth(499).waitFor();
      const took = await page.evaluate(async () => {
        const start = performance.now();
        document.querySelectorAll<HTMLInputElement>('thead input[type=checkbox]')[0]!.click();
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        return performance.now() - start;
      });
      console.log(`500 rows selected in ${Math.round(took)} ms`);
      expect(await page.locator('tbody input:checked').count()).toBe(500);
    },
    { users: 6_000 },
  );
});
