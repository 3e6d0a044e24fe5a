// `@openim/wasm-client-sdk`: the core in Go, compiled for browsers.

import { getSDK } from '/modules/@openim/wasm-client-sdk/lib/index.es.js';

import { direct } from './openim.mjs';

export function create(options, report) {
  const sdk = getSDK();
  return {
    ...direct(sdk, options, report),
    background: async (flag) => {
      await sdk.setAppBackgroundStatus(flag);
    },
  };
}
