import { expect, test } from 'vitest';

import type { Order } from '../src/api/types';
import { every, stage } from '../src/progress';

const order = (more: Partial<Order>): Order => ({
  id: '0'.repeat(32),
  tenantId: '0',
  scope: 'user',
  state: 'cutOff',
  at: '',
  by: '900',
  users: 2_000,
  connections: 3,
  reached: 2_000,
  ...more,
});

test('an order is done when it has come to all of its users', () => {
  expect(stage(order({ state: 'ordered', reached: 0 }))).toBe('ordered');
  expect(stage(order({ reached: 1_999 }))).toBe('cutOff');
  expect(stage(order({}))).toBe('done');
  expect(stage(order({ users: 0, reached: 0 }))).toBe('done');
  // A word that is not known promises nothing.
  expect(stage(order({ state: 'x' }))).toBe('ordered');
});

test('an order that does not move is asked for less and less, and in the end no more', () => {
  const minutes = [0, 0.4, 1, 4, 10, 29, 30, 600];
  expect(minutes.map((one) => every(one * 60_000))).toEqual([1, 1, 5, 5, 30, 30, 0, 0]);
});
