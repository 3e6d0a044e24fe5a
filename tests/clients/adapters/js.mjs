// `@openim/client-sdk`: JavaScript alone, in Node.js.

import { createRequire } from 'node:module';

import { direct } from './openim.mjs';

const { getSDK } = createRequire(import.meta.url)('@openim/client-sdk');

export function create(options, report) {
  return direct(getSDK(), options, report);
}
