import { expect, test } from 'vitest';

import { EMPTY, fromQuery, ids, isNumbered, problem, request, toQuery } from '../src/selection';

test('an empty selection is never everybody', () => {
  expect(problem(EMPTY)).toBe('emptySelection');
  expect(problem({ ...EMPTY, userIds: ' , \n' })).toBe('emptySelection');
  expect(problem({ ...EMPTY, userIds: '101' })).toBeUndefined();
});

test('a form becomes the documented request', () => {
  const draft = {
    ...EMPTY,
    conditions: [{ key: 'fullName', op: 'MATCH', value: 'zhang' }],
    platforms: [5, 1],
    reason: ' left the company ',
    deny: '1.5',
  };
  expect(request(draft)).toEqual({
    select: { filters: [{ key: 'fullName', op: 'MATCH', value: 'zhang' }], platforms: [1, 5] },
    scope: 'user',
    reason: 'left the company',
    denySeconds: 5_400,
  });
});

test('limits are those of the documents', () => {
  const draft = { ...EMPTY, userIds: '1' };
  expect(problem({ ...draft, deny: '0' })).toBe('denyRange');
  expect(problem({ ...draft, deny: 'x' })).toBe('denyRange');
  expect(problem({ ...draft, deny: '365', denyUnit: 'days' })).toBeUndefined();
  expect(problem({ ...draft, deny: '366', denyUnit: 'days' })).toBe('denyRange');
  expect(problem({ ...draft, reason: 'é'.repeat(250) })).toBeUndefined();
  expect(problem({ ...draft, reason: 'é'.repeat(251) })).toBe('reasonLong');
  const many = (length: number, one: (at: number) => string) => Array.from({ length }, (_, at) => one(at)).join();
  const hex = (at: number) => at.toString(16).padStart(32, '0');
  for (const [name, most, one] of [['userIds', 10_000, String], ['connIds', 1_000, hex], ['deviceIds', 1_000, String]] as const) {
    expect(problem({ ...EMPTY, [name]: many(most, one) }), name).toBeUndefined();
    expect(problem({ ...EMPTY, [name]: many(most + 1, one) }), name).toBe('tooManyIds');
  }
});

test('what orders cannot name is said before', () => {
  for (const id of ['0', '-5', '9223372036854775807', '-9223372036854775808']) expect(isNumbered(id), id).toBe(true);
  // Some of these would name another user.
  for (const id of ['', '-0', '+7', '007', '7.0', 'alice', '9223372036854775808', '1e3']) expect(isNumbered(id), id).toBe(false);
  expect(problem({ ...EMPTY, userIds: '1,alice' })).toBe('userIdForm');
  expect(problem({ ...EMPTY, connIds: '7300000000001' })).toBe('connIdForm');
  expect(problem({ ...EMPTY, connIds: 'A'.repeat(32) })).toBe('connIdForm');
  expect(problem({ ...EMPTY, connIds: '0a'.repeat(16) })).toBeUndefined();
});

test('ids stand between commas or on lines, each once', () => {
  expect(ids(' 1,2\n\n2 , alice\r\n')).toEqual(['1', '2', 'alice']);
});

test('an order that another page begins arrives whole', () => {
  const draft = { ...EMPTY, conditions: [{ key: 'online', op: 'EQUAL', value: 'true' }], connIds: '1,2', platforms: [3], scope: 'connection' as const };
  expect(fromQuery(toQuery(draft))).toEqual(draft);
  expect(fromQuery(new URLSearchParams('scope=all&platforms=0,x,12'))).toEqual(EMPTY);
});
