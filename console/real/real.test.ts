// The console against a real server with real sockets. What no server has yet is tested against the mock alone, in browser/.

import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Reader } from '../browser/reader';
import { HOSTILE } from '../mock/population.mjs';
import { document } from '../tools/routes.mjs';
import { type Client, Server } from './server';

let server: Server;
let hostile: Client;
/** An order that took nobody. */
let order: string;
beforeAll(async () => {
  server = await Server.start();
  await server.register(HOSTILE.userId, HOSTILE.fullName);
  hostile = await server.connect(HOSTILE.userId, 5, HOSTILE);
  order = await server.order({ select: { userIds: ['1'] }, reason: HOSTILE.fullName });
});
afterAll(async () => {
  hostile?.socket.close();
  await server?.stop();
});

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };

test.concurrent.each([
  { name: 'real-light-zh', signIn: '登录', locale: 'zh-CN', colorScheme: 'light', viewport: WIDE },
  { name: 'real-narrow-dark-en', signIn: 'Sign in', locale: 'en-GB', colorScheme: 'dark', viewport: NARROW },
] as const)('every page is whole and accessible: $name', async ({ name, signIn, ...context }) => {
  const token = await server.adminToken();
  await Reader.read(server.url, context, async (reader) => {
    const { page } = reader;
    await page.goto('/console/');
    await reader.button(signIn).waitFor();
    await reader.check(`sign-in-${name}`);
    await reader.enter(token);
    await page.locator('.fresh').first().waitFor();
    await reader.check(`overview-${name}`);
    await reader.go('#/connections?filters%5B0%5D.key=fullName&filters%5B0%5D.op=MATCH&filters%5B0%5D.value=%3Cscript%3E');
    // Texts are texts, in the list and on the user's page.
    await page.getByText('<img src=x', { exact: false }).first().waitFor();
    await reader.check(`connections-${name}`);
    await reader.go(`#/users/${HOSTILE.userId}`);
    await page.getByText('=HYPERLINK(', { exact: false }).first().waitFor();
    await page.getByText(hostile.sha256.slice(0, 10), { exact: false }).first().waitFor();
    expect(await page.getByRole('heading', { name: /Deny window|封禁期/ }).count()).toBe(1);
    await reader.check(`user-${name}`);
    await reader.go('#/orders');
    await page.getByText('<img src=x', { exact: false }).first().waitFor();
    await reader.check(`orders-${name}`);
    await reader.go(`#/orders/${order}`);
    await page.getByText('<img src=x', { exact: false }).first().waitFor();
    await page.locator('.tag.good').waitFor();
    await reader.check(`order-${name}`);
    await reader.go(`#/orders/new?userIds=${HOSTILE.userId}`);
    await page.locator('form button[type=submit].main').click();
    await page.locator('section.panel').getByText('=HYPERLINK(', { exact: false }).waitFor();
    await reader.check(`compose-${name}`);
    await reader.go('#/audit');
    await page.getByText('<img src=x', { exact: false }).first().waitFor();
    await reader.check(`audit-${name}`);
    expect(await page.locator('main img, main svg').count()).toBe(0);
    expect(hostile.socket.readyState).toBe(WebSocket.OPEN);
  });
});

test.concurrent('a link signs in, and signing out revokes its token', async () => {
  const token = await server.adminToken();
  await Reader.read(server.url, {}, async (reader) => {
    const { page } = reader;
    await reader.enter(token);
    await reader.heading('Overview').waitFor();
    expect(page.url()).toBe(`${server.url}/console/#/`);
    expect(await server.status('/admin/v1/me', token)).toBe(200);
    await reader.button('Sign out').click();
    await page.getByText('The link’s token is revoked.').waitFor();
    expect(await server.status('/admin/v1/me', token)).toBe(401);
    await page.getByLabel('Token').fill(token);
    await reader.button('Sign in').click();
    await page.getByText('does not accept this token').waitFor();
  });
});

test.concurrent('signing out revokes the link’s token while another tenant is shown', async () => {
  const token = await server.adminToken();
  await Reader.read(server.url, {}, async (reader) => {
    const { page } = reader;
    await reader.enter(token);
    await page.getByLabel('Show tenant').fill('7');
    await reader.button('Change').click();
    await page.getByText(/, tenant 7$/).waitFor();
    await reader.button('Sign out').click();
    await page.getByText('The link’s token is revoked.').waitFor();
    expect(await server.status('/admin/v1/me', token)).toBe(401);
  });
});

test.concurrent('the list is filtered, and one connection of two is taken offline', async ({ expect }) => {
  const user = '4711';
  const [phone, desktop] = [await server.connect(user, 2), await server.connect(user, 3)];
  const token = await server.adminToken();
  await Reader.read(server.url, {}, async (reader) => {
    const { page } = reader;
    await reader.enter(token, '#/connections');
    await reader.button('Add a filter').click();
    await page.getByLabel('Field').selectOption('userId');
    await page.getByLabel('Value').fill(user);
    await reader.button('Apply').click();
    await page.getByText('1 to 2 of 2').first().waitFor();
    await page.getByRole('link', { name: user }).first().click();
    await reader.heading(`User ${user}`).waitFor();
    const row = page.getByRole('row').filter({ hasText: phone.sha256.slice(0, 10) }).filter({ has: reader.button(/^Revoke the token/) });
    await row.getByRole('button').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    // The kick, and the server's Close frame; the end of the TCP connection may take longer.
    await expect.poll(() => phone.pushed, { timeout: 60_000 }).toEqual([2002]);
    await expect.poll(() => phone.socket.readyState, { timeout: 60_000 }).not.toBe(WebSocket.OPEN);
    await dialog.waitFor({ state: 'detached' });
    await row.waitFor({ state: 'detached' });
    expect(desktop.socket.readyState).toBe(WebSocket.OPEN);
    await page.getByRole('link', { name: 'All records of this user' }).click();
    await page.getByText('offline').first().waitFor();
    await page.getByText('online', { exact: true }).first().waitFor();
  });
  desktop.socket.close();
});

test.concurrent('an order by filter: dry run, look, carry out, and its sockets are closed', async ({ expect }) => {
  for (const user of ['8101', '8102']) await server.register(user, 'Leaver <b>');
  await server.register('8103', 'Stayer <b>');
  const [one, two] = [await server.connect('8101', 1, HOSTILE), await server.connect('8102', 5)];
  const stays = await server.connect('8103', 5);
  const token = await server.adminToken();
  await Reader.read(server.url, {}, async (reader) => {
    const { page } = reader;
    await reader.enter(token, '#/connections');
    await reader.button('Add a filter').click();
    await page.getByLabel('Value').fill('Leaver <b>');
    await reader.button('Apply').click();
    await page.getByText('1 to 2 of 2').first().waitFor();
    // The filters of the list become those of the order.
    await page.getByRole('link', { name: 'Order for all that match' }).click();
    await reader.heading('New order').waitFor();
    expect(await page.getByLabel('Value').inputValue()).toBe('Leaver <b>');
    await page.getByLabel('Reason').fill('left <i>the</i> company');
    await reader.button('Dry run').click();
    await page.getByText('Users: 2, matching connections: 2').waitFor();
    expect(await page.locator('section.panel tbody tr').count()).toBe(2);
    expect([one, two, stays].map(({ socket }) => socket.readyState)).toEqual(Array(3).fill(WebSocket.OPEN));
    await reader.button('Carry out').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Carry out' }).click();
    await reader.heading(/^Order [0-9a-f]{32}$/).waitFor();
    await page.getByText('It has come to all of its users').waitFor();
    for (const { pushed, socket } of [one, two]) {
      await expect.poll(() => pushed, { timeout: 60_000 }).toEqual([2002]);
      await expect.poll(() => socket.readyState, { timeout: 60_000 }).not.toBe(WebSocket.OPEN);
    }
    expect(stays.socket.readyState).toBe(WebSocket.OPEN);
    await page.getByRole('link', { name: 'What it selected' }).click();
    await page.getByRole('cell', { name: 'fullName MATCH Leaver <b>' }).waitFor();
    await page.getByRole('cell', { name: 'left <i>the</i> company' }).waitFor();
    await page.getByRole('link', { name: 'Orders' }).click();
    const row = page.getByRole('row').filter({ hasText: 'left <i>the</i> company' });
    await row.getByText('done').waitFor();
    expect(await row.count()).toBe(1);
    await reader.go('#/connections?filters%5B0%5D.key=fullName&filters%5B0%5D.op=MATCH&filters%5B0%5D.value=Leaver');
    await page.getByText('offline', { exact: true }).nth(1).waitFor();
  });
  stays.socket.close();
});

test.concurrent('who may force off takes one connection, one platform and everything of a user offline', async ({ expect }) => {
  const user = '8201';
  const [phone, pad, web] = [await server.connect(user, 2), await server.connect(user, 9), await server.connect(user, 5)];
  await Reader.read(server.url, {}, async (reader) => {
    const { page } = reader;
    await reader.enter(server.tokens.operator, '#/connections');
    await page.getByRole('link', { name: user }).nth(2).waitFor();
    await reader.go(`#/users/${user}`);
    const act = async (button: string | Locator, { pushed, socket }: Client) => {
      await (typeof button === 'string' ? reader.button(button) : button).click();
      await page.getByRole('dialog').locator('button.danger').click();
      await expect.poll(() => pushed, { timeout: 60_000 }).toEqual([2002]);
      await expect.poll(() => socket.readyState, { timeout: 60_000 }).not.toBe(WebSocket.OPEN);
      await page.getByText('Carried out. Matching connections: 1.').waitFor();
      await reader.button('Close').click();
    };
    const row = page.getByRole('row').filter({ hasText: phone.sha256.slice(0, 10) }).filter({ has: reader.button(/^Kick the connection/) });
    await act(row.getByRole('button'), phone);
    expect([pad, web].map(({ socket }) => socket.readyState)).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
    await act('Kick Web', web);
    expect(pad.socket.readyState).toBe(WebSocket.OPEN);
    await act('Kick everything', pad);
    for (const name of ['Deny', 'Unlock']) expect(await reader.button(name).count(), name).toBe(0);
    expect(await page.getByRole('link', { name: 'Audit' }).count()).toBe(0);
  });
});

test.concurrent('who is denied is refused until the window is lifted', async ({ expect }) => {
  const [user, other] = ['8301', '8302'];
  for (const one of [user, other]) await server.register(one, 'Abuser <b>');
  const [first, second] = [await server.connect(user, 1), await server.connect(other, 1)];
  const token = await server.adminToken();
  await Reader.read(server.url, {}, async (reader) => {
    const { page } = reader;
    const dialog = page.getByRole('dialog');
    await reader.enter(token, `#/users/${user}`);
    await reader.button('Deny').click();
    await dialog.getByLabel('Deny for').last().fill('2');
    await dialog.getByLabel('Reason').fill(HOSTILE.fullName);
    await dialog.getByRole('button', { name: 'Deny' }).click();
    await page.getByText(/^Denied until .*, by imAdmin since/).waitFor();
    await page.getByText('Reason: <img src=x', { exact: false }).waitFor();
    await expect.poll(() => first.socket.readyState, { timeout: 60_000 }).not.toBe(WebSocket.OPEN);
    await expect(server.connect(user, 1)).rejects.toThrow(/1002 .*is denied until/);
    expect(second.socket.readyState).toBe(WebSocket.OPEN);
    await reader.check('real-denied');
    await page.getByRole('link', { name: /^Order [0-9a-f]{32}$/ }).click();
    await page.getByText('It has come to all of its users').waitFor();
    await page.getByText('Denied until').waitFor();
    // The same by an order to a selection.
    await reader.go('#/orders/new?filters%5B0%5D.key=fullName&filters%5B0%5D.op=EQUAL&filters%5B0%5D.value=Abuser+%3Cb%3E');
    await page.getByLabel('Deny for').fill('30');
    await page.getByLabel('minutes').check();
    await reader.button('Dry run').click();
    await page.getByText('Users: 2, matching connections: 1').waitFor();
    await reader.button('Carry out').click();
    await dialog.getByRole('button', { name: 'Carry out' }).click();
    await page.getByText('It has come to all of its users').waitFor();
    await expect.poll(() => second.socket.readyState, { timeout: 60_000 }).not.toBe(WebSocket.OPEN);
    await expect(server.connect(other, 1)).rejects.toThrow(/1002 .*is denied until/);
    await reader.go(`#/users/${other}`);
    await page.getByText(/^Denied until/).waitFor();
    await reader.button('Unlock').click();
    await dialog.getByRole('button', { name: 'Unlock' }).click();
    await page.getByText('No deny window is open.').waitFor();
    const back = await server.connect(other, 1);
    expect(back.socket.readyState).toBe(WebSocket.OPEN);
    back.socket.close();
    await expect(server.connect(user, 1)).rejects.toThrow(/1002 .*is denied until/);
  });
});

test.concurrent('a token that may only read is offered no more, and one that may not gets nothing', async () => {
  await Reader.read(server.url, {}, async (reader) => {
    const { page } = reader;
    await page.goto('/console/');
    await page.getByLabel('Token').fill(server.tokens.reader);
    await page.keyboard.press('Enter');
    await page.getByText('reader, tenant 0').waitFor();
    await reader.go('#/connections');
    await page.getByText('<img src=x', { exact: false }).first().waitFor();
    expect(await page.getByRole('checkbox', { name: /^Select/ }).count()).toBe(0);
    expect(await page.getByLabel('Show tenant').count()).toBe(0);
    await reader.go(`#/users/${HOSTILE.userId}`);
    await page.getByText(hostile.sha256.slice(0, 10), { exact: false }).first().waitFor();
    for (const name of [/^Revoke/, /^Kick/, 'Deny', 'Unlock']) expect(await reader.button(name).count(), String(name)).toBe(0);
    await reader.check('real-reader');
    await reader.go(`#/orders/${order}`);
    await page.getByText('It has come to all of its users').waitFor();
    await reader.go('#/orders');
    await page.getByRole('link', { name: /^Order of/ }).first().waitFor();
    expect(await page.getByRole('link', { name: 'New order' }).count()).toBe(0);
    await reader.go('#/orders/new?userIds=1');
    await page.getByText('This token may not do that.').waitFor();
    await reader.button('Sign out').click();
    await page.getByLabel('Token').fill(server.tokens.visitor);
    await page.keyboard.press('Enter');
    await page.getByText('This token may see nothing here.').waitFor();
  });
});

test.concurrent('a server that dies is said so, and the page comes back with it', async () => {
  const own = await Server.start();
  try {
    const before = await own.connect('555', 1);
    const token = await own.adminToken();
    await Reader.read(own.url, {}, async (reader) => {
      const { page } = reader;
      await reader.enter(token, '#/connections');
      await page.getByRole('link', { name: '555' }).waitFor();
      await own.die();
      await before.closed;
      await reader.button('Refresh').click();
      await page.getByRole('alert').getByText(/does not answer. What you see is from/).waitFor();
      expect(await page.getByRole('link', { name: '555' }).count()).toBe(1);
      await own.resume();
      const after = await own.connect('556', 1);
      await page.getByRole('link', { name: '556' }).waitFor();
      expect(await page.getByRole('alert').count()).toBe(0);
      after.socket.close();
    });
  } finally {
    await own.stop();
  }
});

test.concurrent('the API reference shows every operation, under its policy', async () => {
  await Reader.read(server.url, {}, async (reader) => {
    await reader.page.goto('/docs');
    await reader.page.locator('.opblock').first().waitFor();
    const { paths } = document() as { paths: object };
    expect(await reader.page.locator('.opblock').count()).toBe(Object.values(paths).flatMap(Object.keys).length);
  });
});
