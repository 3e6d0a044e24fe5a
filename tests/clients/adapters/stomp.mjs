// `@stomp/stompjs` as a console uses it, on a bare WebSocket or on `sockjs-client`.

const OWN = '/user/queue/messages';

/** A client of these two libraries. It comes back by itself after 5 s, the default of `@stomp/stompjs`. */
export function stomp({ Client, SockJS }, { gateway, device, sockjs }, report) {
  let client;
  return {
    login: async (token) => {
      const query = new URLSearchParams({ access_token: token, deviceId: device });
      const path = `${gateway}/ws/messageCenter?${query}`;
      client = sockjs
        ? new Client({ webSocketFactory: () => new SockJS(`http://${path}`) })
        : new Client({ brokerURL: `ws://${path}` });
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
