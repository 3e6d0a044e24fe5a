import { expect, test } from 'vitest';

import { EMPTY, fromQuery, ids, problem, request, toQuery } from '../src/selection';

test('an empty selection is never everybody', () => {
  expect(problem(EMPTY)).toBe('emptySelection');
  expect(problem({ ...EMPTY, userIds: ' , \n' })).toBe('emptySelection');
  expect(problem({ ...EMPTY, userIds: '101' })).toBeUndefined();
});

test('a form becomes the documented request', () => {
  const draft = {
    ...EMPTY,
    conditions: [{ key: 'fullName', op: 'MATCH', value: 'zhang' }],
    online: 'true' as const,
    platforms: [5, 1],
    reason: ' left the company ',
    deny: '1.5',
  };
  expect(request(draft)).toEqual({
    select: { filters: [{ key: 'fullName', op: 'MATCH', value: 'zhang' }], online: true, platforms: [1, 5] },
    scope: 'user',
    reason: 'left the company',
    denySeconds: 5_400,
  });
  expect(request({ ...draft, scope: 'connection' })).not.toHaveProperty('denySeconds');
});

test('limits are those of the documents', () => {
  const draft = { ...EMPTY, userIds: '1' };
  expect(problem({ ...draft, deny: '0' })).toBe('denyRange');
  expect(problem({ ...draft, deny: 'x' })).toBe('denyRange');
  expect(problem({ ...draft, deny: '365', denyUnit: 'days' })).toBeUndefined();
  expect(problem({ ...draft, deny: '366', denyUnit: 'days' })).toBe('denyRange');
  expect(problem({ ...draft, reason: 'é'.repeat(128) })).toBeUndefined();
  expect(problem({ ...draft, reason: 'é'.repeat(129) })).toBe('reasonLong');
  expect(problem({ ...draft, userIds: Array.from({ length: 10_001 }, (_, at) => at).join() })).toBe('tooManyIds');
});

test('ids stand between commas or on lines, each once', () => {
  expect(ids(' 1,2\n\n2 , alice\r\n')).toEqual(['1', '2', 'alice']);
});

test('an order that another page begins arrives whole', () => {
  const draft = { ...EMPTY, conditions: [{ key: 'online', op: 'EQUAL', value: 'true' }], connIds: '1,2', platforms: [3], scope: 'connection' as const };
  expect(fromQuery(toQuery(draft))).toEqual(draft);
  expect(fromQuery(new URLSearchParams('online=maybe&scope=all&platforms=0,x,12'))).toEqual(EMPTY);
});
