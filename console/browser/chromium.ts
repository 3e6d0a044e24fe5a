// One Chromium for all files: Debian's, or the one that ROLLCALL_CHROMIUM names.

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    chromium: string;
    artefacts: string;
  }
}

export default async function setup(project: TestProject) {
  const server = await chromium.launchServer({
    executablePath: process.env['ROLLCALL_CHROMIUM'] ?? '/usr/bin/chromium-headless-shell',
    headless: true,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
  const artefacts = process.env['ROLLCALL_ARTEFACTS'] ?? fileURLToPath(new URL('../artefacts', import.meta.url));
  mkdirSync(artefacts, { recursive: true });
  project.provide('chromium', server.wsEndpoint());
  project.provide('artefacts', artefacts);
  return () => server.close();
}
