// `@stomp/stompjs` as a console uses it, on a bare WebSocket or on `sockjs-client`.

const OWN = '/user/queue/messages';

/** A client of these two libraries. It comes back by itself after 5 s, the default of `@stomp/stompjs`. */
export function stomp({ Client, SockJS }, { gateway, device, sockjs, transport, login }, report) {
  let client;
  return {
    login: async (token) => {
      const query = new URLSearchParams({ deviceId: device, ...(login ? {} : { access_token: token }) });
      const path = `${gateway}/ws/messageCenter?${query}`;
      // By default a transport has as long as the answers before it let expect, which is nothing on a machine with other work.
      const options = { timeout: 20_000, ...(transport ? { transports: [transport] } : {}) };
      client =
        sockjs || transport
          ? new Client({ webSocketFactory: () => new SockJS(`http://${path}`, null, options) })
          : new Client({ brokerURL: `ws://${path}` });
      if (login) client.connectHeaders = { Authorization: `Bearer ${token}` };
      client.onConnect = () => {
        report('connected');
        client.watchForReceipt('subscribed', () => report('subscribed'));
        client.subscribe(OWN, ({ body }) => report('message', JSON.parse(body)), { receipt: 'subscribed' });
      };
      client.onStompError = ({ headers }) => report('error', headers.message);
      client.onWebSocketClose = ({ code, reason }) => report('closed', { code, reason });
      client.activate();
    },
    logout: async () => {
      await client.deactivate();
    },
  };
}
