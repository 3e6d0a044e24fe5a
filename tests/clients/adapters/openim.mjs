// What OpenIM's SDKs have in common.

/** The events that the steps look at, which all of them call the same. */
export const EVENTS = [
  'OnConnecting',
  'OnConnectSuccess',
  'OnConnectFailed',
  'OnSyncServerStart',
  'OnSyncServerFinish',
  'OnSyncServerFailed',
  'OnUserStatusChanged',
  'OnKickedOffline',
  'OnUserTokenExpired',
  'OnUserTokenInvalid',
];

/** The SDKs that are objects of JavaScript: the same calls, whatever is behind them. */
export function direct(sdk, { api, gateway, platformID }, report) {
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
