// Every page, in both languages, light and dark, wide and narrow.

import { readFileSync } from 'node:fs';

import { expect, inject, test } from 'vitest';

import type { Summary } from '../src/api/types';
import { HOSTILE } from '../mock/population.mjs';
import type { Mock } from '../mock/server.mjs';
import { Visit } from './visit';

const NODES: Summary['nodes'] = [
  { name: 'a', state: 'serving', connections: 30, seenAt: '2026-11-29 12:00:00' },
  { name: 'b', state: 'suspended', connections: 0, seenAt: '2026-11-29 11:59:30' },
];

/** An order and its traces, so that no page is empty. */
async function order(mock: Mock) {
  const body = { select: { userIds: ['101'] }, scope: 'user', reason: HOSTILE.fullName, denySeconds: 3_600 };
  const headers = { authorization: 'Bearer admin-token' };
  await fetch(`${mock.url}/admin/v1/force-offs`, { method: 'POST', headers, body: JSON.stringify(body) });
}

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };

/** Two have both of each; the full size has all that look different. */
const VIEWS = [
  { name: 'light-zh', locale: 'zh-CN', colorScheme: 'light', viewport: WIDE },
  { name: 'narrow-dark-en', locale: 'en-GB', colorScheme: 'dark', viewport: NARROW },
  ...(process.env['ROLLCALL_TEST_FULL'] === '1'
    ? ([
        { name: 'dark-en', locale: 'en-GB', colorScheme: 'dark', viewport: WIDE },
        { name: 'narrow-light-zh', locale: 'zh-CN', colorScheme: 'light', viewport: NARROW },
      ] as const)
    : []),
] as const;

test.concurrent.each(VIEWS)('every page is whole and accessible: $name', async ({ name, ...context }) => {
  await Visit.run(
    async (visit) => {
      const { page, mock } = visit;
      const isEnglish = context.locale === 'en-GB';
      await page.goto('/console/');
      await visit.button(isEnglish ? 'Sign in' : '登录').waitFor();
      await visit.check(`sign-in-${name}`);
      await order(mock);
      await visit.enter('admin-token');
      expect(await page.evaluate('document.documentElement.lang')).toBe(isEnglish ? 'en' : 'zh-Hans');
      await page.locator('.chart canvas').first().waitFor();
      await visit.check(`overview-${name}`);
      const pages = {
        connections: '#/connections?filters%5B0%5D.key=fullName&filters%5B0%5D.op=IS_NOT_NULL',
        user: `#/users/${HOSTILE.userId}`,
        denied: '#/users/101',
        orders: '#/orders',
        order: `#/orders/${mock.orders.list[0].id}`,
        compose: `#/orders/new?userIds=102,${HOSTILE.userId}&filters%5B0%5D.key=online&filters%5B0%5D.op=EQUAL&filters%5B0%5D.value=true`,
        audit: '#/audit',
      };
      for (const [one, hash] of Object.entries(pages)) {
        await visit.go(hash);
        await page.locator('.fresh, form > .row button.main').first().waitFor();
        if (one === 'compose') {
          await page.locator('form button[type=submit].main').click();
          await page.locator('section.panel').waitFor();
        }
        await visit.check(`${one}-${name}`);
        if (one === 'user') {
          await page.locator('main button.danger').first().click();
          await page.locator('dialog').waitFor();
          await visit.check(`dialog-${name}`);
          await page.keyboard.press('Escape');
        }
      }
    },
    { ...context, prepare: (mock) => (mock.nodes = NODES) },
  );
});

test.concurrent('the API reference is the server’s own, under a policy without inline script', async () => {
  await Visit.run(async (visit) => {
    await visit.page.goto('/docs');
    await visit.page.locator('.opblock').first().waitFor();
    const { paths } = JSON.parse(readFileSync(new URL('../../api/openapi.json', import.meta.url), 'utf8')) as { paths: object };
    expect(await visit.page.locator('.opblock').count()).toBe(Object.values(paths).flatMap(Object.keys).length);
    await visit.page.locator('.opblock-summary-control').first().click();
    await visit.page.locator('.opblock-body').waitFor();
    await visit.page.screenshot({ path: `${inject('artefacts')}/docs.png`, fullPage: true });
  });
});
