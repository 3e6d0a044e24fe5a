import { expect, test } from 'vitest';

import { Refused, Unreachable } from '../src/api/client';
import { Texts } from '../src/i18n';
import { Told, ofAct, ofDryRun, ofOrder } from '../src/refusals';

const texts = new Texts('en');
const refused = (status: number, key: string, message: string, after = 0) => new Refused(status, key, message, 'r1', after);

test('a refused dry run says what to do', () => {
  const large = 'the selection must have at most 100000 users and connections';
  expect(ofDryRun(texts, refused(400, 'param_validation_error', large))).toContain('at most 100,000 users and connections. Narrow');
  expect(ofDryRun(texts, refused(503, 'server_busy', 'The server is busy'))).toContain('16 dry runs');
  expect(ofDryRun(texts, refused(413, 'param_parsing_error', 'too large'))).toContain('Give several orders');
  expect(ofDryRun(texts, refused(429, 'too_many_requests', 'too many', 6_500))).toContain('in 7 s');
  expect(ofDryRun(texts, refused(403, 'forbidden', 'no'))).toBe('This token may not do that.');
  expect(ofDryRun(texts, new Unreachable('x'))).toContain('changes nothing');
  // What nobody foresaw is told in the server's words.
  const blank = 'a value of fullName is blank, so that it would select more than was meant';
  expect(ofDryRun(texts, refused(400, 'param_validation_error', blank))).toBe(`The server refused: ${blank} (request r1)`);
});

test('an order whose answer is missing is safe to repeat, and says so', () => {
  for (const error of [new Unreachable('x'), refused(500, 'unknown_error', 'x'), refused(503, 'server_busy', 'x')]) {
    expect(ofOrder(texts, error)).toContain('it will not be ordered twice');
  }
  expect(ofOrder(texts, refused(403, 'forbidden', 'no'))).toBe('This token may not do that.');
});

test('what is done without a receipt may have been done', () => {
  expect(ofAct(texts, new Unreachable('x'))).toContain('may have been done');
  expect(ofAct(texts, new Told('These words.'))).toBe('These words.');
});
