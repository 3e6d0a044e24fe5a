// The console against a real server with real sockets. What no server has yet is tested against the mock alone, in browser/.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Reader } from '../browser/reader';
import { HOSTILE } from '../mock/population.mjs';
import { document } from '../tools/routes.mjs';
import { type Client, Server } from './server';

let server: Server;
let hostile: Client;
beforeAll(async () => {
  server = await Server.start();
  await server.register(HOSTILE.userId, HOSTILE.fullName);
  hostile = await server.connect(HOSTILE.userId, 5, HOSTILE);
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
    expect(await page.getByText(/Deny window|封禁期/).count()).toBe(0);
    await reader.check(`user-${name}`);
    expect(await page.locator('main img, main svg').count()).toBe(0);
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

test.concurrent('the list is filtered, and one connection of two is taken offline', async () => {
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
