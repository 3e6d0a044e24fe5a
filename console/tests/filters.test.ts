import { expect, test } from 'vitest';

import { type Condition, KEYS, append, forOrder, ofQuery, onlineOnly, operators, problem, toggleOnline } from '../src/filters';
import { matcher } from '../mock/filters.mjs';

const value = { integer: '1', text: 'a', boolean: 'true', date: '2026-01-01' };

test('the builder offers exactly what the documents allow', () => {
  const all = new Set(Object.keys(KEYS).flatMap(operators));
  expect(all.size).toBe(14);
  for (const [key, kind] of Object.entries(KEYS)) {
    for (const op of all) {
      const allowed = () => matcher([{ key, op, value: value[kind] }]);
      if (operators(key).includes(op)) expect(allowed, `${key} ${op}`).not.toThrow();
      else expect(allowed, `${key} ${op}`).toThrow(/Unsupported/);
    }
  }
});

test('conditions survive their way through an address', () => {
  const conditions: Condition[] = [
    { key: 'fullName', op: 'MATCH', value: 'a&b, "c"' },
    { key: 'offlineDate', op: 'IS_NULL', value: '' },
    { key: 'userId', op: 'IN', value: '1,2' },
  ];
  const query = new URLSearchParams();
  append(query, conditions);
  expect(ofQuery(new URLSearchParams(query.toString()))).toEqual(conditions);
  expect(forOrder(conditions[1]!)).toEqual({ key: 'offlineDate', op: 'IS_NULL' });
});

test('a link cannot bring conditions that there are not', () => {
  const query = new URLSearchParams('filters[0].key=__proto__&filters[0].op=EQUAL&filters[1].key=userId&filters[1].op=MATCH&filters[1].value=1');
  expect(ofQuery(query)).toEqual([]);
});

test('what the server would refuse or ignore is said before', () => {
  const one = (key: string, op: string, value: string) => {
    const condition = { key, op, value };
    return problem(condition, [condition], 'list');
  };
  expect(one('userId', 'EQUAL', 'x')).toBe('valueFormat');
  for (const list of ['1,2', '[1,2]', '["1","2"]', '"1","2"', '"1,2"']) expect(one('userId', 'IN', list), list).toBeUndefined();
  expect(one('userId', 'IN', '["1","x"]')).toBe('valueFormat');
  expect(one('onlineDate', 'EQUAL', '2026-11-29 12:00:00')).toBeUndefined();
  expect(one('onlineDate', 'EQUAL', 'yesterday')).toBe('valueFormat');
  expect(one('fullName', 'IS_NULL', '')).toBeUndefined();
  // They would pass everything.
  for (const blank of ['', ' ', '""', '" "']) expect(one('fullName', 'MATCH', blank), blank).toBe('valueNeeded');
  for (const blank of ['', '[]', 'a,', '["a",""]', ' , ']) expect(one('fullName', 'IN', blank), blank).toBe('valueNeeded');
});

test('of two with the same key and operator a list looks at the first, an order at both', () => {
  const twice = [{ key: 'userId', op: 'NOT_EQUAL', value: '1' }, { key: 'userId', op: 'NOT_EQUAL', value: '2' }];
  expect(twice.map((condition) => problem(condition, twice, 'list'))).toEqual([undefined, 'sameTwice']);
  expect(twice.map((condition) => problem(condition, twice, 'order'))).toEqual([undefined, undefined]);
});

test('online only is a condition like another', () => {
  const name = { key: 'fullName', op: 'MATCH', value: 'a' };
  const both = toggleOnline([{ key: 'online', op: 'EQUAL', value: 'false' }, name]);
  expect(both).toEqual([name, { key: 'online', op: 'EQUAL', value: 'true' }]);
  expect([onlineOnly(both), onlineOnly([name])]).toEqual([true, false]);
  expect(toggleOnline(both)).toEqual([name]);
});
