// The other side of node-host.mjs: loads an adapter and does what it is told.

import { describe } from '../adapters/describe.mjs';

const [adapter, options] = process.argv.slice(2);
const tell = (message) => process.connected && process.send(message);

const { create } = await import(new URL(`../adapters/${adapter}`, import.meta.url));
const client = await create(JSON.parse(options), (event, data) => tell({ event, data }));

process.on('message', async ({ id, method, args }) => {
  try {
    tell({ id, result: await client[method](...args) });
  } catch (error) {
    tell({ id, error: describe(error) });
  }
});
// The process that started this one is gone.
process.on('disconnect', () => process.exit(1));
tell({ id: 'start' });
