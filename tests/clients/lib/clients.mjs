// The clients, each with how it is hosted and with the steps that it has no call for. One that is `stuck` can neither log
// out nor log in again once it has been refused: the application has to start it anew.

import { Console } from './console.mjs';
import { OpenIm } from './openim.mjs';

const JS = {
  background: '@openim/client-sdk has no call for it: it neither sends 2004 nor anything else',
};

const STOMP = {
  login: 'a console has no login: its token goes with the connect',
  synced: 'a console has nothing to synchronize',
  background: 'consoles have no background flag',
  push: 'the message center has no subscriptions to other users',
};

/** Browsers and Linux desktops. */
const [WEB, LINUX] = [5, 7];

export const CLIENTS = [
  { name: 'client-sdk', adapter: 'js.mjs', place: 'node', kind: OpenIm, platform: WEB, missing: JS, stuck: true },
  { name: 'wasm-client-sdk', adapter: 'wasm.mjs', place: 'page', kind: OpenIm, platform: WEB, missing: {} },
  { name: 'electron-client-sdk', adapter: 'electron.mjs', place: 'node', kind: OpenIm, platform: LINUX, missing: {} },
  ...[
    { name: 'stompjs', adapter: 'stomp-node.mjs', place: 'node' },
    { name: 'stompjs, page', adapter: 'stomp-page.mjs', place: 'page' },
    { name: 'stompjs, sockjs', adapter: 'stomp-node.mjs', place: 'node', sockjs: true },
    { name: 'stompjs, sockjs, page', adapter: 'stomp-page.mjs', place: 'page', sockjs: true },
  ].map((client, at) => ({ ...client, kind: Console, user: String(900_001 + at), missing: STOMP })),
];
