// A friend of the client under test, which connects and leaves.

import { once } from 'node:events';

/** Connects a user. The result closes the connection. */
export async function online(address, userID, platformID, token) {
  const query = new URLSearchParams({
    sendID: userID,
    token,
    platformID: String(platformID),
    operationID: crypto.randomUUID(),
    isBackground: 'false',
    isMsgResp: 'true',
    sdkType: 'js',
  });
  const socket = new WebSocket(`ws://${address}/?${query}`);
  const [first] = await once(socket, 'message');
  const { errCode } = JSON.parse(first.data);
  if (errCode !== 0) throw new Error(`the friend was refused with ${errCode}`);
  return async () => {
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  };
}
