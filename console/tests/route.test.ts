import { expect, test } from 'vitest';

import { href, parse } from '../src/route';

test('every page has an address that leads back to it', () => {
  const query = new URLSearchParams({ 'filters[0].value': 'a&b=#?é' });
  for (const [page, id] of [['overview', ''], ['connections', ''], ['user', 'a/b c?#%'], ['orders', ''], ['compose', ''], ['order', '42'], ['audit', '']] as const) {
    const found = parse(href(page, id, query));
    expect({ page: found.page, id: found.id, query: found.query.toString() }).toEqual({ page, id, query: query.toString() });
  }
});

test('an address that names no page says so', () => {
  for (const hash of ['#/x', '#/users', '#/users/', '#/connections/1', '#/audit/1']) expect(parse(hash).page).toBe('unknown');
  expect(parse('#/users/%E0%A4%A').id).toBe('%E0%A4%A');
  expect(['', '#', '#/'].map((hash) => parse(hash).page)).toEqual(['overview', 'overview', 'overview']);
});
