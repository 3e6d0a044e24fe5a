// The message center's envelope and its errors.

import { randomBytes } from 'node:crypto';

import { shown } from './clock.mjs';

/** An answer that is not a success. */
export class Refusal extends Error {
  constructor(status, key, message, headers = {}) {
    super(message);
    Object.assign(this, { status, key, headers });
  }
}

export const invalid = (message) => new Refusal(400, 'param_validation_error', message);
export const unreadable = () => new Refusal(400, 'param_parsing_error', 'Parameter parsing failed');
export const forbidden = () => new Refusal(403, 'forbidden', 'Insufficient permissions, access is forbidden');

/** Wraps a payload. */
export const success = (data) => ({ code: 'S', msg: 'Success', data, datetime: shown(Date.now()), ext: {} });

/** Writes the answer of an error. */
export function refuse(response, error) {
  const { status, key, headers } =
    error instanceof Refusal ? error : new Refusal(500, 'unknown_error', 'Unknown exceptions, please contact us');
  if (!(error instanceof Refusal)) console.error(error);
  const body = {
    code: status < 500 ? 'E0' : 'E2',
    msg: error instanceof Refusal ? error.message : 'Unknown exceptions, please contact us',
    data: {},
    datetime: shown(Date.now()),
    ext: { eKey: key },
  };
  response.writeHead(status, {
    'content-type': 'application/json',
    'xc-request-id': randomBytes(16).toString('hex'),
    'xc-e-key': key,
    ...headers,
  });
  response.end(JSON.stringify(body));
}
