// `npm run build`: dist/, the files that servers carry. `node tools/build.mjs FOLDER` writes the same ones elsewhere.

import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

import { build as bundle } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const VIEWER = join(ROOT, 'node_modules', 'swagger-ui-dist');

/** Builds the console and the API reference into a folder. */
async function build(folder) {
  rmSync(folder, { recursive: true, force: true });
  // The bytes must not depend on the caller's environment.
  process.env.NODE_ENV = 'production';
  await bundle({ root: ROOT, configFile: join(ROOT, 'vite.config.ts'), logLevel: 'warn', build: { outDir: join(folder, 'console') } });
  const docs = join(folder, 'docs');
  mkdirSync(docs, { recursive: true });
  for (const name of ['index.html', 'docs.js', 'docs.css']) copyFileSync(join(ROOT, 'docs', name), join(docs, name));
  copyFileSync(join(ROOT, 'src', 'icon.svg'), join(docs, 'icon.svg'));
  // The maps that their last lines name are not served.
  for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
    const text = readFileSync(join(VIEWER, name), 'utf8');
    writeFileSync(join(docs, name), text.replace(/\n?(\/\/#|\/\*#) sourceMappingURL=[^\n]*\s*$/, '\n'));
  }
  const licences = ['LICENSE', 'NOTICE', 'swagger-ui-bundle.js.LICENSE.txt'];
  writeFileSync(join(docs, 'licenses.txt'), licences.map((name) => readFileSync(join(VIEWER, name), 'utf8')).join('\n\n'));
  writeFileSync(join(folder, 'files.txt'), listed(folder));
}

/** The files as `sha256sum` lists them: servers serve these and no others, and take their validators from here. */
function listed(folder) {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = all.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
  const hash = (name) => createHash('sha256').update(readFileSync(join(folder, name))).digest('hex');
  return names.map((name) => `${hash(name)}  ${name}\n`).join('');
}

await build(argv[2] ?? join(ROOT, 'dist'));
