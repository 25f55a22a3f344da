import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { freePort } from './free-port.js';
import { requirePython, venvPython } from './venv.js';

/** Is a real MLflow server here? Skips or fails by `requirePeer`. */
export const requireMlflow = (): boolean => requirePython('mlflow', 'flask_wtf');

const START_TIMEOUT_MS = 180_000;

export interface MlflowServerOptions {
  /** Turns basic authentication on, with this administrator. */
  readonly admin?: { readonly username: string; readonly password: string };
}

/**
 * A real MLflow server in a folder of its own: SQLite backend, artifacts through the proxy, a free port of the
 * loopback. It can be killed and started again over the same data and port.
 */
export class MlflowServer {
  readonly folder: string;
  readonly port: number;
  readonly #options: MlflowServerOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;

  private constructor(folder: string, port: number, options: MlflowServerOptions) {
    this.folder = folder;
    this.port = port;
    this.#options = options;
    this.#log = createWriteStream(path.join(folder, 'server.log'), { flags: 'a' });
  }

  static async start(options: MlflowServerOptions = {}): Promise<MlflowServer> {
    const folder = await mkdtemp(path.join(tmpdir(), 'sm-edge-mlflow-'));
    const server = new MlflowServer(folder, await freePort(), options);
    await server.restart();
    return server;
  }

  get uri(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it over the same data; resolves when it answers `/health`. */
  async restart(): Promise<void> {
    const child = spawn(venvPython, ['-m', 'mlflow', ...this.#arguments()], {
      cwd: this.folder,
      // A group of its own: the server has worker processes that must end with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(await this.#environment()) },
    });
    child.stdout.pipe(this.#log, { end: false });
    child.stderr.pipe(this.#log, { end: false });
    this.#child = child;
    // A test run that is broken off must not leave a server behind.
    const endWithTest = () => endGroup(child, 'SIGKILL');
    process.once('exit', endWithTest);
    child.once('exit', () => process.off('exit', endWithTest));
    const until = Date.now() + START_TIMEOUT_MS;
    while (!(await this.#answers())) {
      if (child.exitCode !== null || Date.now() > until) {
        await this.kill();
        const log = await readFile(path.join(this.folder, 'server.log'), 'utf8');
        throw new Error(`the MLflow server did not start:\n${log.slice(-4000)}`);
      }
      await delay(100);
    }
  }

  /** Ends it at once, in the middle of whatever it does. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    endGroup(child, signal);
    await ended;
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    this.#log.end();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** A call to the REST API as the test itself makes it, past the code under test. */
  async api<T>(method: 'GET' | 'POST', route: string, content: Record<string, unknown> = {}): Promise<T> {
    const { admin } = this.#options;
    const query = method === 'GET' ? `?${new URLSearchParams(content as Record<string, string>)}` : '';
    const answer = await request(`${this.uri}/api/2.0/${route}${query}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(admin === undefined
          ? {}
          : {
              authorization: `Basic ${Buffer.from(`${admin.username}:${admin.password}`).toString('base64')}`,
            }),
      },
      ...(method === 'POST' ? { body: JSON.stringify(content) } : {}),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${route}: ${answer.statusCode} ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }

  #arguments(): string[] {
    return [
      'server',
      ...['--host', '127.0.0.1', '--port', String(this.port), '--workers', '1'],
      ...['--backend-store-uri', `sqlite:///${path.join(this.folder, 'mlflow.sqlite')}`],
      ...['--artifacts-destination', path.join(this.folder, 'artifacts'), '--serve-artifacts'],
      ...(this.#options.admin === undefined ? [] : ['--app-name', 'basic-auth']),
    ];
  }

  async #environment(): Promise<NodeJS.ProcessEnv> {
    const { admin } = this.#options;
    return {
      // The test needs neither, and both take time or a network.
      MLFLOW_DISABLE_TELEMETRY: 'true',
      DO_NOT_TRACK: 'true',
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
      ...(admin === undefined
        ? {}
        : {
            MLFLOW_AUTH_ADMIN_USERNAME: admin.username,
            MLFLOW_AUTH_ADMIN_PASSWORD: admin.password,
            MLFLOW_FLASK_SERVER_SECRET_KEY: 'a test of this machine alone',
          }),
    };
  }

  async #answers(): Promise<boolean> {
    try {
      const answer = await request(`${this.uri}/health`, { headersTimeout: 2_000 });
      await answer.body.dump();
      return answer.statusCode === 200;
    } catch {
      return false;
    }
  }
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) process.kill(-child.pid, signal);
}
