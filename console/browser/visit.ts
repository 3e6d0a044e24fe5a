// A reader with a browser of its own and a server of its own.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, inject } from 'vitest';

import { Mock } from '../mock/server.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** How long a page may take on a machine that does much else; a page that never gets there is told by it. In milliseconds. */
const STEP = 60_000;

let browser: Browser;
beforeAll(async () => {
  browser = await chromium.connect(inject('chromium'));
});
afterAll(() => browser.close());

interface Options extends BrowserContextOptions {
  users?: number;
  /** What the server is changed by before the reader comes. */
  prepare?: (mock: Mock) => void;
}

export class Visit {
  /** What went wrong in the page: errors, and what the policy stopped. */
  readonly faults: string[] = [];

  private constructor(
    readonly mock: Mock,
    readonly page: Page,
  ) {}

  /** Runs a test with a new reader, and looks for faults behind it. */
  static async run(test: (visit: Visit) => Promise<void>, { users = 40, prepare, ...context }: Options = {}): Promise<void> {
    const mock = await new Mock({ users }).start();
    prepare?.(mock);
    const place = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 }, baseURL: mock.url, ...context });
    try {
      const page = await place.newPage();
      page.setDefaultTimeout(STEP);
      const visit = new Visit(mock, page);
      page.on('pageerror', (error) => visit.faults.push(String(error)));
      page.on('console', (message) => {
        // The browser itself says each request that fails; tests look at what the page makes of it.
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) visit.faults.push(message.text());
      });
      page.on('request', (request) => {
        if (!request.url().startsWith(mock.url) && !/^(blob|data):/.test(request.url())) visit.faults.push(`asked ${request.url()}`);
      });
      try {
        await test(visit);
      } catch (error) {
        const text = await page.locator('body').innerText({ timeout: 1_000 }).catch(String);
        throw new Error(`${String(error)}\nThe page shows: ${text.slice(0, 500)}`, { cause: error });
      }
      expect(await page.evaluate('window.hacked')).toBeUndefined();
      expect(visit.faults).toEqual([]);
      expect(mock.violations).toEqual([]);
    } finally {
      await place.close();
      await mock.stop();
    }
  }

  /** Opens the console with a link. */
  async enter(token: string, hash = '#/'): Promise<void> {
    await this.page.goto(`/console/#token=${token}`);
    await this.page.getByRole('heading', { level: 1 }).waitFor();
    await this.go(hash);
  }

  async go(hash: string): Promise<void> {
    await this.page.evaluate((hash) => void (location.hash = hash), hash);
  }

  /** Fails where axe finds something; keeps a picture. */
  async check(name: string): Promise<void> {
    await this.page.screenshot({ path: join(inject('artefacts'), `${name}.png`), fullPage: true });
    await this.page.evaluate(AXE);
    const violations = await this.page.evaluate(async () => {
      const { axe } = window as unknown as { axe: { run: (options: object) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
      const found = await axe.run({ resultTypes: ['violations'] });
      return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n')}`);
    });
    expect(violations, name).toEqual([]);
    const wide = await this.page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(wide, `${name} scrolls sideways`).toBe(0);
  }

  button = (name: string | RegExp) => this.page.getByRole('button', { name, exact: typeof name === 'string' });
  heading = (name: string) => this.page.getByRole('heading', { name, level: 1 });
}
