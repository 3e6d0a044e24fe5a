import { expect, test } from 'vitest';

import { type Condition, KEYS, append, forOrder, ofQuery, operators, problem } from '../src/filters';
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
    return problem(condition, [condition]);
  };
  expect(one('userId', 'EQUAL', 'x')).toBe('valueFormat');
  expect(one('userId', 'IN', '[1,2]')).toBeUndefined();
  expect(one('onlineDate', 'EQUAL', '2026-11-29 12:00:00')).toBeUndefined();
  expect(one('onlineDate', 'EQUAL', 'yesterday')).toBe('valueFormat');
  expect(one('fullName', 'MATCH', '')).toBe('valueNeeded');
  expect(one('fullName', 'IS_NULL', '')).toBeUndefined();
  const twice = [{ key: 'userId', op: 'EQUAL', value: '1' }, { key: 'userId', op: 'EQUAL', value: '2' }];
  expect(twice.map((condition) => problem(condition, twice))).toEqual([undefined, 'sameTwice']);
});
