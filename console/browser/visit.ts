// A reader with a mock server of its own.

import type { BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';

import { Mock } from '../mock/server.mjs';
import { Reader } from './reader';

interface Options extends BrowserContextOptions {
  users?: number;
  /** What the server is changed by before the reader comes. */
  prepare?: (mock: Mock) => void;
}

export class Visit extends Reader {
  private constructor(
    readonly mock: Mock,
    page: Page,
  ) {
    super(mock.url, page);
  }

  /** Runs a test with a new reader, and looks for faults behind it. */
  static async run(test: (visit: Visit) => Promise<void>, { users = 40, prepare, ...context }: Options = {}): Promise<void> {
    const mock = await new Mock({ users }).start();
    prepare?.(mock);
    try {
      await Reader.browse(mock.url, context, (page) => new Visit(mock, page).attempt(test));
      expect(mock.violations).toEqual([]);
    } finally {
      await mock.stop();
    }
  }
}
