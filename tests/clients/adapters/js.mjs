// `@openim/client-sdk`: JavaScript alone, in Node.js.

import { createRequire } from 'node:module';

import { EVENTS } from './openim.mjs';

const { getSDK } = createRequire(import.meta.url)('@openim/client-sdk');

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
    subscribe: async (userIDs) => {
      await sdk.subscribeUsersStatus(userIDs);
    },
  };
}
