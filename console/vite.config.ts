import { defineConfig } from 'vite';

import { ALL, offered } from './tools/routes.mjs';

/** In development the API is another server's: the mock's, or a real one. */
const SERVER = process.env['ROLLCALL_URL'] ?? 'http://127.0.0.1:10080';

export default defineConfig(({ command }) => ({
  // The page may be served below a path of a proxy.
  base: './',
  publicDir: false,
  plugins: [
    {
      name: 'offered',
      // The mock has all of them.
      transformIndexHtml: (html) => html.replace('%OFFERED%', (command === 'serve' ? ALL : offered()).join(' ')),
    },
  ],
  build: {
    outDir: 'dist/console',
    emptyOutDir: true,
    target: 'es2022',
    // No file is written into another one, which the policy would not let run.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    license: { fileName: 'licenses.txt' },
  },
  server: {
    proxy: Object.fromEntries(['/admin', '/api', '/health', '/openapi.json', '/docs'].map((path) => [path, SERVER])),
  },
}));
