// Consoles in a page, which has loaded the libraries as scripts.

import { stomp } from './stomp.mjs';

export const create = (options, report) =>
  stomp({ Client: window.StompJs.Client, SockJS: window.SockJS }, options, report);
