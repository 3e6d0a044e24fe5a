import { expect, test } from 'vitest';

import { cell, csv, ndjson } from '../src/exports';

test('cells that a spreadsheet would compute are neutralised', () => {
  for (const value of ['=1+1', '+1', '-1', '@SUM(A1)', ' =1', '\t=1', '\r=1', '\uFF1D1', '=HYPERLINK("http://x","y")']) {
    expect(cell(value).replace(/^"/, '')[0], value).toBe("'");
  }
  for (const value of ['1', 'a=b', 'x@y', '10.0.0.1', '', 'Zhang Wei']) expect(cell(value)).toBe(value);
});

test('a table has one line a row, whatever its cells hold', () => {
  expect(csv(['a', 'b'], [['x,y', 'say "hi"'], ['two\nlines', '=1']])).toBe(
    '\uFEFFa,b\r\n"x,y","say ""hi"""\r\n"two\nlines","\'=1"\r\n',
  );
});

test('NDJSON keeps every text as it is', () => {
  const row = { fullName: '=1\n\u2028', id: '9223372036854775807' };
  const text = ndjson([row, row]);
  expect(text.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([row, row]);
});
