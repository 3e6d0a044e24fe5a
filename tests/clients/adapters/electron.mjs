// `@openim/electron-client-sdk`: the core in Go as a native library, reached through what stands in for Electron.

import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { EVENTS } from './openim.mjs';

const require = createRequire(import.meta.url);
const { invoke } = require('electron');
const OpenIMSDKMain = require('@openim/electron-client-sdk');

const LIBRARY = join(
  dirname(require.resolve('@openim/electron-client-sdk/package.json')),
  'assets/linux_x64/libopenimsdk.so',
);

export async function create({ api, gateway, platformID, folder }, report) {
  const window = {
    isDestroyed: () => false,
    send: (channel, name, { data }) => {
      if (EVENTS.includes(name)) report(name, data);
    },
  };
  new OpenIMSDKMain(LIBRARY, window);
  const call = async (method, ...args) => {
    const answer = await invoke('openim-sdk-ipc-methods', method, ...args);
    if (answer instanceof Error) throw answer;
    if (answer?.errCode) throw answer;
    return answer;
  };
  const home = mkdtempSync(join(folder ?? tmpdir(), 'electron-'));
  const started = await call('initSDK', {
    platformID,
    apiAddr: `http://${api}`,
    wsAddr: `ws://${gateway}`,
    dataDir: home,
    logFilePath: home,
    logLevel: 1,
    isLogStandardOutput: false,
  });
  if (started !== true) throw new Error('initSDK failed');
  return {
    login: async (userID, token) => {
      await call('login', { userID, token });
    },
    logout: async () => {
      await call('logout');
    },
    background: async (flag) => {
      await call('setAppBackgroundStatus', flag);
    },
    subscribe: async (userIDs) => {
      await call('subscribeUsersStatus', userIDs);
    },
  };
}
