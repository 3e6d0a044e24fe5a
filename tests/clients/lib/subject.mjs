// The server that the clients connect to: already running, or started here and ended with everything that it started.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How long a start may take. */
const START = 120_000;

/** How long an orderly end may take. */
const STOP = 20_000;

/** How much of what it said is shown when it does not start, in characters. */
const LAST_WORDS = 4_000;

export class Subject {
  #child;

  constructor(base, child) {
    this.base = base;
    this.#child = child;
  }

  /** Starts a command line with a configuration for these tests. Its output is dropped once it serves. */
  static async start(command, folder, { secret, issuer }, verbose) {
    mkdirSync(folder, { recursive: true });
    const config = join(folder, 'rollcall.toml');
    writeFileSync(
      config,
      [
        '[server]',
        'listen = "127.0.0.1:0"',
        `data_dir = ${JSON.stringify(join(folder, 'data'))}`,
        '[auth]',
        `secret = ${JSON.stringify(secret)}`,
        '[auth.introspection]',
        `url = ${JSON.stringify(issuer)}`,
        '[presence]',
        // Lists must show an end at once.
        'grace_seconds = 0',
        '',
      ].join('\n'),
      { mode: 0o600 },
    );
    const edge = command.includes('edge');
    const more = edge ? ['--listen', '127.0.0.1:0', '--persist', join(folder, 'persist')] : [];
    const [program, ...args] = command;
    const child = spawn(program, [...args, '--config', config, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const subject = new Subject(undefined, child);
    try {
      subject.base = await listening(child, verbose);
    } catch (error) {
      await subject.end();
      throw error;
    }
    return subject;
  }

  /** Ends what was started. */
  async end() {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP);
    await ended;
    clearTimeout(timer);
  }
}

/** The address in the line that says where it listens. */
function listening(child, verbose) {
  return new Promise((resolve, reject) => {
    let said = '';
    let found = false;
    const timer = setTimeout(() => reject(new Error(`no start within ${START / 1000} s: ${said}`)), START);
    const take = (chunk) => {
      if (verbose) process.stderr.write(chunk);
      if (found) return;
      said = (said + chunk).slice(-LAST_WORDS);
      const line = /listening on (http:\/\/[\d.]+:\d+).*\n/.exec(said);
      if (!line) return;
      found = true;
      clearTimeout(timer);
      resolve(line[1]);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${signal ?? code}: ${said}`));
    });
  });
}
