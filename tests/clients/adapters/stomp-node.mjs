// Consoles in Node.js, with the WebSockets that `@stomp/stompjs` asks for there: those of Node.js 22 report no close of one
// that was refused, and nothing would be tried again.

import { Client } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import { WebSocket } from 'ws';

import { stomp } from './stomp.mjs';

Object.assign(globalThis, { WebSocket });

export const create = (options, report) => stomp({ Client, SockJS }, options, report);
