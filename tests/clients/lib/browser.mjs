// A client in a page of headless Chromium, served from an origin of its own.

import { createReadStream } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { Events } from './events.mjs';

/** How long a page, and a call into it, may take. */
const CALL = 60_000;

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** Where the pages find what lies elsewhere in the packages. */
const PLACES = [
  ['/modules/', '/node_modules/'],
  ['/adapters/', '/adapters/'],
  ['/pages/', '/pages/'],
  // The SDK looks for its binaries here.
  ['/', '/node_modules/@openim/wasm-client-sdk/assets/'],
];

export class Browser {
  #browser;
  #server;

  /** Starts Chromium and the server of its pages. */
  static async start(executablePath) {
    const browser = new Browser();
    browser.#server = createServer(serve);
    browser.#server.listen(0, '127.0.0.1');
    await once(browser.#server, 'listening');
    browser.#browser = await chromium.launch({
      executablePath,
      headless: true,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    return browser;
  }

  /** Opens a page with this adapter, apart from all others. */
  async host(adapter, options, verbose) {
    const context = await this.#browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(CALL);
    const host = new PageHost(context, page);
    if (verbose) page.on('console', (message) => console.error(message.text()));
    await page.exposeFunction('report', (event, data) => host.events.add(event, data));
    await page.goto(`http://127.0.0.1:${this.#server.address().port}/pages/client.html`);
    await page.evaluate(
      async ([adapter, options]) => {
        const { create } = await import(`/adapters/${adapter}`);
        window.client = await create(options, window.report);
      },
      [adapter, options],
    );
    return host;
  }

  async end() {
    await this.#browser?.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

class PageHost {
  events = new Events();
  #context;
  #page;

  constructor(context, page) {
    this.#context = context;
    this.#page = page;
  }

  /** Calls a function of the adapter. */
  async call(method, ...args) {
    const { result, error } = await this.#page.evaluate(
      async ([method, args]) => {
        const { describe } = await import('/adapters/describe.mjs');
        try {
          return { result: await window.client[method](...args) };
        } catch (error) {
          return { error: describe(error) };
        }
      },
      [method, args],
    );
    if (error) throw new Error(error);
    return result;
  }

  async end() {
    await this.#context.close();
  }
}

function serve(request, response) {
  const path = normalize(new URL(request.url, 'http://page').pathname);
  const place = PLACES.find(([prefix]) => path.startsWith(prefix));
  const file = join(ROOT, place[1], path.slice(place[0].length));
  const stream = createReadStream(file);
  stream.once('open', () => {
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    stream.pipe(response);
  });
  stream.once('error', () => response.writeHead(404).end());
}
