import { expect, test } from 'vitest';

import { isSendable, isTenant, ofFragment, read, write } from '../src/session';

function store() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
}

test('a session is kept and forgotten', () => {
  const place = store();
  expect(read(place)).toBeUndefined();
  write(place, { token: 't', byLink: true });
  expect(read(place)).toEqual({ token: 't', byLink: true });
  write(place, undefined);
  expect(read(place)).toBeUndefined();
});

test('rubbish in the storage is no session', () => {
  const place = store();
  for (const text of ['', '{', '1', 'null', '{"token":1}', '[]']) {
    place.setItem('rollcall.session', text);
    expect(read(place), text).toBeUndefined();
  }
});

test('a link brings its token in the fragment', () => {
  expect(ofFragment('#token=a%2Bb.c')).toBe('a+b.c');
  expect(ofFragment('#token=%E0%A4%A')).toBe('%E0%A4%A');
  for (const hash of ['', '#', '#/', '#token=', '#/?token=x']) expect(ofFragment(hash), hash).toBeUndefined();
});

test('what no header can carry is no token', () => {
  expect(['a.b-c_d', 'A+/='].every(isSendable)).toBe(true);
  expect(['', 'a b', 'é', 'a\nb'].some(isSendable)).toBe(false);
});

test('a tenant has 64 bits with its sign', () => {
  expect(['0', '7', '0000000000000000007', '9223372036854775807'].every(isTenant)).toBe(true);
  expect(['', '-1', '1.0', ' 1', 'x', '9223372036854775808', '9999999999999999999', '00000000000000000001'].some(isTenant)).toBe(false);
});
