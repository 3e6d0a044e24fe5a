import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['default', './tools/counts.mjs'],
    projects: [
      // One worker for all files: starting one costs more than they do.
      { test: { name: 'unit', include: ['tests/*.test.ts'], pool: 'threads', isolate: false } },
      { test: { name: 'build', include: ['tests/build/*.test.ts'], testTimeout: 120_000, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      {
        test: {
          name: 'pages',
          include: ['browser/*.test.ts', 'real/*.test.ts'],
          globalSetup: ['browser/chromium.ts'],
          // A busy machine takes its time.
          testTimeout: 180_000,
          hookTimeout: 150_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
