import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { afterAll, expect, test } from 'vitest';

import { types } from '../../tools/types.mjs';
import { examples } from '../../mock/shapes.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'dist');
// Version 7 needs a tenth of the time; openapi-typescript needs version 5 beside it.
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript-native/package.json')), 'bin', 'tsc');
/** What the console may weigh on first load, in bytes. */
const BUDGET = 100 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'rollcall-console-'));
afterAll(() => rmSync(folder, { recursive: true }));

const files = (root: string): Record<string, Buffer> => {
  const all = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    all.map((entry) => join(entry.parentPath, entry.name)).sort().map((path) => [path.slice(root.length), readFileSync(path)]),
  );
};

test('building gives the committed bytes', () => {
  execFileSync(process.execPath, [join(ROOT, 'tools/build.mjs'), folder]);
  const [built, kept] = [files(folder), files(DIST)];
  expect(Object.keys(built)).toEqual(Object.keys(kept));
  const changed = Object.keys(built).filter((name) => !built[name]?.equals(kept[name]!));
  expect(changed, 'npm run build, and commit dist').toEqual([]);
});

test('the first load is at most 100 KB, compressed', () => {
  const sizes = Object.entries(files(join(DIST, 'console')))
    .filter(([name]) => !name.endsWith('.txt'))
    .map(([, bytes]) => gzipSync(bytes, { level: 6 }).length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first load: ${total} bytes of ${BUDGET}`);
  expect(total).toBeLessThan(BUDGET);
});

test('no page has a script or a style of its own, or names another host', () => {
  for (const [name, bytes] of Object.entries(files(DIST)).filter(([name]) => name.endsWith('.html'))) {
    const text = bytes.toString();
    expect(text.match(/<script(?![^>]*\ssrc=)/g), name).toBeNull();
    expect(text.match(/<style|\sstyle=|\son\w+=|https?:|href="\/|src="\//g), name).toBeNull();
  }
});

test('the sources, and the examples of the documented shapes, are of the types that they claim', () => {
  const of = { 'The caller': 'Me', Summary: 'Summary', 'One user': 'User', 'Revoking tokens': 'Revoked', Orders: 'DryRun', 'One order': 'Order', Audit: 'Slice<T.AuditRow>' };
  const found = examples();
  expect(Object.keys(found).sort()).toEqual(Object.keys(of).sort());
  const lines = Object.entries(of).map(([heading, type], at) => `export const c${at}: T.${type} = ${JSON.stringify(found[heading])};`);
  const text = [`import type * as T from '${ROOT}/src/api/types';`, ...lines].join('\n');
  expect(problems(text, ['src', 'tests', 'browser', 'real'])).toEqual('');
  expect(problems(text.replace('"userId"', '"userID"'), [])).toContain('userID');
});

test('the types are those of the document that servers serve', async () => {
  expect(await types(), 'npm run types').toBe(readFileSync(join(ROOT, 'src/api/openapi.d.ts'), 'utf8'));
});

/** What the compiler says of folders of the project, and of one file more. */
function problems(text: string, folders: string[]): string {
  // Where the compiler finds the packages.
  mkdirSync(join(ROOT, 'artefacts'), { recursive: true });
  const place = mkdtempSync(join(ROOT, 'artefacts', 'types-'));
  try {
    writeFileSync(join(place, 'examples.ts'), text);
    const include = folders.map((folder) => join(ROOT, folder));
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include, files: ['examples.ts'] }));
    const { stdout, stderr } = spawnSync(process.execPath, [TSC, '-p', place], { encoding: 'utf8' });
    return stdout + stderr;
  } finally {
    rmSync(place, { recursive: true });
  }
}
