// The little of Electron's main process that the SDK uses. `invoke` is what a window's process would call.

'use strict';

const handlers = new Map();

module.exports = {
  ipcMain: {
    handle(channel, handler) {
      handlers.set(channel, handler);
    },
  },
  powerMonitor: {
    // A test machine does not go to sleep.
    on() {},
  },
  invoke(channel, ...args) {
    return handlers.get(channel)({}, ...args);
  },
};
