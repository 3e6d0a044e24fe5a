// The clients that applications ship, unmodified, against a server: `node run.mjs --help`.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Browser } from './lib/browser.mjs';
import { CLIENTS } from './lib/clients.mjs';
import { Issuer } from './lib/issuer.mjs';
import { NodeHost } from './lib/node-host.mjs';
import { Relay } from './lib/relay.mjs';
import { Rest } from './lib/rest.mjs';
import { run } from './lib/steps.mjs';
import { Subject } from './lib/subject.mjs';
import { print } from './lib/table.mjs';

const HELP = `The clients that applications ship, against a server.

  node run.mjs -- PROGRAM ARGS…             start this server, with --config FILE appended
  node run.mjs --base-url URL --secret S    use the one that runs there; its auth.introspection.url must be
                                            http://127.0.0.1:PORT/introspect, its presence.grace_seconds 0

  --issuer PORT    where the issuer of the consoles' tokens listens (a free port)
  --name NAME      what the last line calls it (clients)
  --edge           only clients that the edge serves
  --only TEXT      only clients whose name has this text
  --chromium PATH  the browser (/usr/bin/chromium-headless-shell)
  --verbose        what clients and server print, tokens included
`;

/** Connects one client through a relay of its own, and runs its steps. */
async function exercise(client, { rest, issuer, address, browser, folder, verbose }) {
  const [hostname, port] = address.split(':');
  const relay = await Relay.to(hostname, Number(port));
  const user = client.user ?? `client-${randomBytes(4).toString('hex')}`;
  const options = {
    api: address,
    gateway: relay.address,
    platformID: client.platform,
    device: client.name,
    sockjs: client.sockjs ?? false,
    transport: client.transport,
    login: client.login ?? false,
    folder,
  };
  const start = () =>
    client.place === 'page'
      ? browser.host(client.adapter, options, verbose)
      : NodeHost.start(client.adapter, options, verbose);
  let host;
  const restart = async () => {
    await host.end();
    host = await start();
    return host;
  };
  try {
    host = await start();
    const { platform, name: device } = client;
    const anew = client.stuck ? restart : undefined;
    const part = new client.kind({ host, anew, rest, issuer, relay, user, platform, device, address, client });
    return await run(part, client.missing);
  } catch (error) {
    // The client itself did not start: every step of it has failed.
    const fails = () => Promise.reject(error);
    return await run(new Proxy({}, { get: () => fails }), client.missing);
  } finally {
    await host?.end();
    relay.close();
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'base-url': { type: 'string' },
      secret: { type: 'string' },
      issuer: { type: 'string', default: '0' },
      name: { type: 'string', default: 'clients' },
      edge: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      chromium: { type: 'string', default: '/usr/bin/chromium-headless-shell' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const running = values['base-url'] !== undefined && values.secret !== undefined;
  if (values.help || running === positionals.length > 0) {
    console.log(HELP);
    return values.help ? 0 : 2;
  }
  const { verbose } = values;
  const served = ({ edge = true }) => edge || !values.edge;
  const clients = CLIENTS.filter((client) => client.name.includes(values.only) && served(client));
  const secret = values.secret ?? randomBytes(24).toString('hex');
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-clients-'));
  const ends = [() => rmSync(folder, { recursive: true, force: true })];
  const end = async () => {
    for (const one of ends.splice(0).reverse()) await one();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => end().finally(() => process.exit(1)));
  }
  try {
    const issuer = await Issuer.start(Number(values.issuer));
    ends.push(() => issuer.close());
    const subject = running
      ? new Subject(values['base-url'].replace(/\/$/, ''))
      : await Subject.start(positionals, folder, { secret, issuer: issuer.url }, verbose);
    ends.push(() => subject.end());
    const rest = new Rest(subject.base, secret);
    await rest.start();
    const browser = await Browser.start(values.chromium);
    ends.push(() => browser.end());
    const address = new URL(subject.base).host;
    // All at once, since most of the time is spent watching.
    const results = await Promise.all(
      clients.map(async (client) => [
        client.name,
        await exercise(client, { rest, issuer, address, browser, folder, verbose }),
      ]),
    );
    return print(values.name, results) === 0 ? 0 : 1;
  } finally {
    await end();
  }
}

process.exitCode = await main();
