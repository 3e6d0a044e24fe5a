// `@openim/wasm-client-sdk`: the core in Go, compiled for browsers.

import { getSDK } from '/modules/@openim/wasm-client-sdk/lib/index.es.js';

import { EVENTS } from './openim.mjs';

export function create({ api, gateway, platformID }, report) {
  const sdk = getSDK();
  for (const name of EVENTS) sdk.on(name, ({ data }) => report(name, data));
  return {
    login: async (userID, token) => {
      await sdk.login({ userID, token, platformID, apiAddr: `http://${api}`, wsAddr: `ws://${gateway}` });
    },
    logout: async () => {
      await sdk.logout();
    },
    background: async (flag) => {
      await sdk.setAppBackgroundStatus(flag);
    },
    subscribe: async (userIDs) => {
      await sdk.subscribeUsersStatus(userIDs);
    },
  };
}
