import { readFileSync, readdirSync } from 'node:fs';

import { expect, test } from 'vitest';

import { Texts, preferred } from '../src/i18n';
import { en } from '../src/i18n/en';
import { zh } from '../src/i18n/zh';

const values = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('both languages have every text with the same values', () => {
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    expect(values(zh[key as keyof typeof en]), key).toEqual(values(text));
    expect(zh[key as keyof typeof en].trim(), key).not.toBe('');
  }
});

test('every text is used', () => {
  const folder = new URL('../src/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name) && !name.startsWith('i18n'));
  const source = files.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n');
  // Built from a word that a server sends, or from a key of the list.
  const built = /^(health|protocol|node|state|token|op|scope|progress)_/;
  const unused = Object.keys(en).filter((key) => !built.test(key) && !new RegExp(`\\b${key}\\b`).test(source));
  const operators = ['EQUAL', 'NOT_EQUAL', 'IN', 'NOT_IN'];
  expect(unused.filter((key) => !operators.includes(key))).toEqual([]);
});

test('values are put in as texts, numbers are grouped, unknown words stay', () => {
  const texts = new Texts('en');
  expect(texts.text('userNamed', { id: '{name}$&' })).toBe('User {name}$&');
  expect(texts.text('selected', { count: 12_345 })).toBe('12,345 selected');
  expect(texts.word('state_', 'done')).toBe('done');
  expect(texts.word('state_', 'toString')).toBe('toString');
});

test('the language is the chosen one, else the first of the browser that there is', () => {
  const none = { getItem: () => null };
  expect(preferred(none, ['de-DE', 'zh-CN', 'en'])).toBe('zh');
  expect(preferred(none, ['fr'])).toBe('en');
  expect(preferred({ getItem: () => 'zh' }, ['en'])).toBe('zh');
});
