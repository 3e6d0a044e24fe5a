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

/** What the origin alone serves (`docs/clients.md`). */
const isServedAtTheEdge = ({ login, transport }) => !login && !transport;

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
    { name: 'stompjs, token in CONNECT', adapter: 'stomp-node.mjs', place: 'node', login: true },
    { name: 'stompjs, xhr-streaming', adapter: 'stomp-node.mjs', place: 'node', transport: 'xhr-streaming' },
    { name: 'stompjs, xhr-polling', adapter: 'stomp-node.mjs', place: 'node', transport: 'xhr-polling' },
    { name: 'stompjs, xhr-streaming, page', adapter: 'stomp-page.mjs', place: 'page', transport: 'xhr-streaming' },
  ].map((client, at) => ({ ...client, edge: isServedAtTheEdge(client), kind: Console, user: String(900_001 + at), missing: STOMP })),
];
