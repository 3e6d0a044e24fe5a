// A real server, started for a test: the command line that ROLLCALL_SERVER holds as JSON, else the origin as cargo builds it.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { sha256 } from '../mock/population.mjs';

const COMMAND = JSON.parse(process.env['ROLLCALL_SERVER'] ?? '["target/debug/rollcall","serve"]') as [string, ...string[]];
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** How long a start may take, in milliseconds. */
const START = 120_000;

/** Static tokens, each with what it may do. */
const HOLDERS = {
  reader: { user_id: 901, permissions: ['OnlineUser'] },
  operator: { user_id: 903, permissions: ['OnlineUser', 'SignOut'] },
  visitor: { user_id: 902, permissions: [] },
};

export class Server {
  readonly tokens: Record<keyof typeof HOLDERS, string>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'rollcall-console-'));
  readonly #secret = randomBytes(24).toString('hex');
  #child: ChildProcess | undefined;
  #address = '127.0.0.1:0';
  #admin = '';

  private constructor() {
    const own = Object.keys(HOLDERS).map((name) => [name, randomBytes(24).toString('hex')]);
    this.tokens = Object.fromEntries(own) as typeof this.tokens;
  }

  static async start(): Promise<Server> {
    const server = new Server();
    await server.resume();
    server.#admin = await server.adminToken();
    return server;
  }

  get url(): string {
    return `http://${this.#address}`;
  }

  /** Serves again what was stored, at the same address. */
  async resume(): Promise<void> {
    const tokens = Object.entries(HOLDERS).flatMap(([name, { user_id, permissions }]) => [
      '[[auth.tokens]]',
      `sha256 = "${sha256(this.tokens[name as keyof typeof HOLDERS])}"`,
      `user_id = ${user_id}`,
      'tenant_id = 0',
      `full_name = "${name}"`,
      `permissions = ${JSON.stringify(permissions)}`,
    ]);
    const text = [
      ...['[server]', `listen = "${this.#address}"`, `data_dir = ${JSON.stringify(join(this.#folder, 'data'))}`],
      // Lists must show an end at once.
      ...['[presence]', 'grace_seconds = 0', '[auth]', `secret = "${this.#secret}"`, ...tokens, ''],
    ];
    const config = join(this.#folder, 'rollcall.toml');
    writeFileSync(config, text.join('\n'), { mode: 0o600 });
    const edge = ['--listen', this.#address, '--persist', join(this.#folder, 'persist')];
    mkdirSync(join(this.#folder, 'persist'), { recursive: true });
    const [program, ...args] = COMMAND;
    const more = args.includes('edge') ? edge : [];
    this.#child = spawn(program, [...args, '--config', config, ...more], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#address = await listening(this.#child);
  }

  /** Dies at once: nothing is flushed, and no client hears of it. */
  async die(): Promise<void> {
    await this.#ended('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#ended('SIGTERM');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ended(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** A new token of an OpenIM administrator. */
  async adminToken(): Promise<string> {
    const { token } = (await this.#call('/auth/get_admin_token', { secret: this.#secret, userID: 'imAdmin' })) as { token: string };
    return token;
  }

  async register(userID: string, nickname: string): Promise<void> {
    await this.#call('/user/user_register', { users: [{ userID, nickname, faceURL: '' }] });
  }

  /** Asks the administration as somebody. */
  async status(path: string, token: string): Promise<number> {
    return (await fetch(this.url + path, { headers: { authorization: `Bearer ${token}` } })).status;
  }

  /** Gives an order to a selection as an administrator, and says its id. */
  async order(body: object): Promise<string> {
    const headers = { authorization: `Bearer ${this.#admin}`, 'content-type': 'application/json' };
    const response = await fetch(`${this.url}/admin/v1/force-offs`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`an order was answered ${response.status} ${await response.text()}`);
    return ((await response.json()) as { id: string }).id;
  }

  /** Connects a user's client to the gateway, and waits until it is online. */
  async connect(userID: string, platformID: number, { userAgent = 'a client', deviceId = 'device' } = {}): Promise<Client> {
    const { token } = (await this.#call('/auth/get_user_token', { userID, platformID })) as { token: string };
    const query = { sendID: userID, token, platformID: String(platformID), operationID: 'o', isMsgResp: 'true', sdkType: 'js', deviceId };
    const url = `ws://${this.#address}/?${new URLSearchParams(query)}`;
    // What only Node.js takes beside the address.
    const options = { headers: { 'user-agent': userAgent } } as unknown as string;
    const socket = new WebSocket(url, options);
    socket.binaryType = 'arraybuffer';
    const closed = new Promise((resolve) => socket.addEventListener('close', resolve));
    const pushed: number[] = [];
    socket.addEventListener('message', ({ data }) => {
      if (typeof data !== 'string') pushed.push((JSON.parse(new TextDecoder().decode(data as ArrayBuffer)) as { reqIdentifier: number }).reqIdentifier);
    });
    const answer = new Promise<string>((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => resolve(String(data)), { once: true });
      socket.addEventListener('error', () => reject(new Error(`${userID} could not connect`)));
    });
    const { errCode } = JSON.parse(await answer) as { errCode: number };
    if (errCode !== 0) throw new Error(`${userID} was answered ${errCode}`);
    // As the published client does, and more often: the pong to the server's own ping has three seconds, and a machine may be busy for as long.
    const beat = setInterval(() => socket.send('{"type":"ping"}'), 10_000);
    void closed.then(() => clearInterval(beat));
    return { socket, pushed, closed, sha256: sha256(token) };
  }

  async #call(path: string, body: unknown): Promise<unknown> {
    const headers = { operationID: 'console', 'content-type': 'application/json', token: this.#admin };
    const response = await fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    const { errCode, errDlt, data } = (await response.json()) as { errCode: number; errDlt: string; data: unknown };
    if (errCode !== 0) throw new Error(`${path} was answered ${errCode} ${errDlt}`);
    return data;
  }
}

export interface Client {
  socket: WebSocket;
  /** What the server sent unasked, by its number. */
  pushed: number[];
  /** The end of its connection. */
  closed: Promise<unknown>;
  /** Of its token. */
  sha256: string;
}

/** The address in the line that says where a server listens. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`no start within ${START / 1_000} s: ${said}`)), START);
    const take = (chunk: string) => {
      said = (said + chunk).slice(-4_000);
      const address = /listening on http:\/\/([\d.]+:\d+).*\n/.exec(said)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${signal ?? code}: ${said}`));
    });
  });
}
