import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import ts from 'typescript';
import { afterAll, expect, test } from 'vitest';

import { types } from '../../tools/types.mjs';
import { examples } from '../../mock/shapes.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'dist');
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
  const of = { 'The caller': 'Me', Summary: 'Summary', 'One user': 'User', 'Revoking tokens': 'Revoked', Orders: 'DryRun', 'One order': 'Order', Audit: 'Page<T.AuditRow>' };
  const found = examples();
  expect(Object.keys(found).sort()).toEqual(Object.keys(of).sort());
  const lines = Object.entries(of).map(([heading, type], at) => `export const c${at}: T.${type} = ${JSON.stringify(found[heading])};`);
  const text = [`import type * as T from './api/types';`, ...lines].join('\n');
  expect(problems(join(ROOT, 'src', 'examples.ts'), text)).toEqual([]);
  expect(problems(join(ROOT, 'src', 'examples.ts'), text.replace('"userId"', '"userID"'), [])).not.toEqual([]);
});

test('the types are those of the document that servers serve', async () => {
  expect(await types(), 'npm run types').toBe(readFileSync(join(ROOT, 'src/api/openapi.d.ts'), 'utf8'));
});

/** What the compiler says of the project, or of some of its files, and one file more. */
function problems(path: string, text: string, others = project()): string[] {
  const { options } = configuration();
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === path || fileExists(name);
  host.getSourceFile = (name, target, ...more) =>
    name === path ? ts.createSourceFile(name, text, target) : (parsed.get(name) ?? keep(name, getSourceFile(name, target, ...more)));
  const program = ts.createProgram([...others, path], options, host);
  return ts.getPreEmitDiagnostics(program).map((one) => `${one.file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(one.messageText, ' ')}`);
}

const project = () => configuration().fileNames;

function configuration() {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile) as { config: unknown };
  return ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
}

const parsed = new Map<string, ts.SourceFile>();
function keep(name: string, file: ts.SourceFile | undefined): ts.SourceFile | undefined {
  if (file) parsed.set(name, file);
  return file;
}
