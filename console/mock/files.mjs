// The built files, with the headers that a server gives them.

import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

const POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
];

/** The viewer of the reference draws its arrows from `data:` and styles its own elements. */
const DOCS = POLICY.map((one) => one.replace("img-src 'self'", "img-src 'self' data:"));

export const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Makes the page believe that the server has these. */
const withOffered = (page, offered) => page.replace(/(name="rollcall-offered" content=")[^"]*/, `$1${offered.join(' ')}`);

/** Answers a path below `/console` or `/docs`. */
export async function serve(path, response, { dist = DIST, offered }) {
  const folder = /^\/(console|docs)$/.exec(path);
  if (folder) return response.writeHead(308, { location: `${path}/` }).end();
  const name = path.endsWith('/') ? `${path}index.html` : path;
  const file = join(dist, normalize(name));
  let body;
  try {
    body = await readFile(file);
    if (name === '/console/index.html') body = withOffered(body.toString(), offered);
  } catch {
    return response.writeHead(404, { 'content-type': 'text/plain' }).end('404: there is no such page\n');
  }
  // Names below assets/ hold the hash of their bytes.
  const cache = path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
  response.writeHead(200, {
    ...HEADERS,
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-security-policy': (path.startsWith('/docs/') ? DOCS : POLICY).join('; '),
    'cache-control': cache,
  });
  response.end(body);
}
