// The events of OpenIM's SDKs that the steps look at, which all of them call the same.

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
