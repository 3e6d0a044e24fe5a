// A reader with a browser of its own: what all tests of pages do, whatever server the pages come from.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, inject } from 'vitest';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** How long a page may take on a machine that does much else; a page that never gets there is told by it. In milliseconds. */
const STEP = 60_000;

let browser: Browser;
beforeAll(async () => {
  browser = await chromium.connect(inject('chromium'));
});
afterAll(() => browser.close());

export class Reader {
  /** What went wrong in the page: errors, and what the policy stopped. */
  readonly faults: string[] = [];

  constructor(
    readonly url: string,
    readonly page: Page,
  ) {
    page.setDefaultTimeout(STEP);
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      // The browser itself says each request that fails; tests look at what the page makes of it.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) this.faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) this.faults.push(`asked ${request.url()}`);
    });
  }

  /** Runs a test with a new reader of the pages at `url`, and looks for faults behind it. */
  static async read(url: string, context: BrowserContextOptions, test: (reader: Reader) => Promise<void>): Promise<void> {
    await Reader.browse(url, context, (page) => new Reader(url, page).attempt(test));
  }

  /** Opens a page with a storage of its own for as long as something is done with it. */
  protected static async browse(url: string, context: BrowserContextOptions, act: (page: Page) => Promise<void>): Promise<void> {
    const place = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 }, baseURL: url, ...context });
    try {
      await act(await place.newPage());
    } finally {
      await place.close();
    }
  }

  protected async attempt(test: (reader: this) => Promise<void>): Promise<void> {
    try {
      await test(this);
    } catch (error) {
      const text = await this.page.locator('body').innerText({ timeout: 1_000 }).catch(String);
      throw new Error(`${String(error)}\nThe page shows: ${text.slice(0, 500)}`, { cause: error });
    }
    expect(await this.page.evaluate('window.hacked')).toBeUndefined();
    expect(this.faults).toEqual([]);
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
  heading = (name: string | RegExp) => this.page.getByRole('heading', { name, level: 1 });
}
