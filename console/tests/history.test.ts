import { expect, test } from 'vitest';

import type { Summary } from '../src/api/types';
import { MOST, type Sample, extend } from '../src/history';

const summary = (more: Partial<Summary>): Summary => ({
  tenantId: '0',
  now: '',
  users: 1,
  connections: 2,
  platforms: [],
  since: 'a',
  connects: 10,
  ends: 5,
  kicks: 1,
  ...more,
});

test('counts become what happened between two answers', () => {
  const first = summary({});
  const one = extend([], undefined, first, 100);
  expect(one[0]).toMatchObject({ at: 100, connections: 2, connects: null });
  const two = extend(one, first, summary({ connects: 13 }), 105);
  expect(two[1]).toMatchObject({ connects: 3, ends: 0, kicks: 0 });
});

test('a server that counts anew leaves a gap and no negative rate', () => {
  const first = summary({});
  expect(extend([], first, summary({ since: 'b', connects: 50 }), 1)[0]?.connects).toBeNull();
  expect(extend([], first, summary({ connects: 3 }), 1)[0]?.connects).toBeNull();
  expect(extend([], first, summary({ tenantId: '7' }), 1)[0]?.connects).toBeNull();
});

test('the page keeps a bounded number of samples', () => {
  let samples: Sample[] = Array.from({ length: MOST }, (_, at) => ({ at, users: 0, connections: 0, connects: 0, ends: 0, kicks: 0 }));
  samples = extend(samples, undefined, summary({}), MOST);
  expect(samples.length).toBe(MOST);
  expect(samples[0]?.at).toBe(1);
});
