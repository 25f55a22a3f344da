import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { SmEdgeError } from '../base/errors.js';
import { loadConfig } from '../config/load.js';
import type { CliContext } from './output.js';

/** Where the daemon is looked for where nobody says. */
const INSTALLED_CONFIG = '/etc/sm-edge/gateway.yaml';
const STANDARD_URL = 'http://127.0.0.1:8080';
const TIMEOUT_MS = 15_000;

/** Where a daemon that listens on port 0 writes its address, in its data folder. */
export const ADDRESS_FILE = 'http-address';

export interface DaemonOptions {
  readonly url?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Adds the options by which a verb finds the daemon. */
export const withDaemonOptions = (command: Command): Command =>
  command
    .option('--url <url>', 'address of the daemon (default: from the config, else SM_EDGE_URL)')
    .option('--config <file>', `its config (default: SM_EDGE_CONFIG, else ${INSTALLED_CONFIG})`)
    .option('--json', 'one JSON document on stdout');

/** Talks to the running daemon over its HTTP API; nothing else may write to its store. */
export class DaemonClient {
  readonly url: string;
  readonly #apiKey: string | undefined;

  constructor(url: string, apiKey: string | undefined) {
    this.url = url.replace(/\/+$/, '');
    this.#apiKey = apiKey;
  }

  /** By --url, --config, SM_EDGE_URL, SM_EDGE_CONFIG, the installed config, or the standard address. */
  static find(options: DaemonOptions, env: CliContext['env']): DaemonClient {
    const given = options.url ?? (options.config === undefined ? env.SM_EDGE_URL : undefined);
    if (given !== undefined) return new DaemonClient(given, env.SM_EDGE_API_KEY);
    const file =
      options.config ?? env.SM_EDGE_CONFIG ?? (existsSync(INSTALLED_CONFIG) ? INSTALLED_CONFIG : undefined);
    if (file === undefined) return new DaemonClient(STANDARD_URL, env.SM_EDGE_API_KEY);
    const { config } = loadConfig(file, env);
    const { host, port } = config.http.listen;
    const url = port === 0 ? addressIn(config.storage.path) : `http://${reachable(host)}:${port}`;
    return new DaemonClient(url, env.SM_EDGE_API_KEY ?? config.http.keys[0]);
  }

  get<T>(path: string, query: Readonly<Record<string, string | number | undefined>> = {}): Promise<T> {
    const given = Object.entries(query).flatMap(([key, value]): [string, string][] =>
      value === undefined ? [] : [[key, String(value)]],
    );
    const text = new URLSearchParams(given).toString();
    return this.#request('GET', text === '' ? path : `${path}?${text}`);
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.#request('POST', path, body);
  }

  delete(path: string): Promise<void> {
    return this.#request('DELETE', path);
  }

  /** An answer as it comes, unread; `path` from the root. A gateway that failed says why on /health with 503. */
  async open(path: string, signal: AbortSignal): Promise<Response> {
    const headers = this.#apiKey === undefined ? {} : { 'x-api-key': this.#apiKey };
    const response = await fetch(`${this.url}${path}`, { headers, signal, redirect: 'error' }).catch(
      (cause) => {
        throw unreachable(this.url, cause);
      },
    );
    if (response.ok || path === '/health') return response;
    throw problemOf(parsed(await response.text(), this.url), response.status);
  }

  async #request<T>(method: string, path: string, body?: unknown): Promise<T> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.url}/api/v1/${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(this.#apiKey === undefined ? {} : { 'x-api-key': this.#apiKey }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
      });
      text = await response.text();
    } catch (cause) {
      throw unreachable(this.url, cause);
    }
    if (response.ok) return (text === '' ? undefined : parsed(text, this.url)) as T;
    throw problemOf(parsed(text, this.url), response.status);
  }
}

const unreachable = (url: string, cause: unknown): SmEdgeError =>
  new SmEdgeError('DAEMON_UNREACHABLE', `no daemon answers at ${url}`, {
    cause,
    hint: 'is it running ("systemctl status sm-edge")? Name it with --config FILE or --url http://HOST:PORT',
  });

function problemOf(answer: unknown, status: number): SmEdgeError {
  const { code, detail, hint } = answer as { code?: string; detail?: string; hint?: string };
  return new SmEdgeError(code ?? 'DAEMON_ANSWER', detail ?? `the daemon answered ${status}`, {
    ...(hint === undefined ? {} : { hint }),
  });
}

function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SmEdgeError('DAEMON_ANSWER', `what answers at ${url} is no sm-edge`, {
      cause,
      hint: 'name the daemon with --config FILE or --url http://HOST:PORT',
    });
  }
}

/** "Every address" is none that can be called. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** Says in the data folder where the daemon listens: for verbs that only know the folder. */
export function writeAddress(folder: string, { host }: { readonly host: string }, port: number): string {
  const url = `http://${reachable(host)}:${port}`;
  writeFileSync(join(folder, ADDRESS_FILE), `${url}\n`);
  return url;
}

function addressIn(folder: string): string {
  try {
    return readFileSync(join(folder, ADDRESS_FILE), 'utf8').trim();
  } catch (cause) {
    throw new SmEdgeError('DAEMON_UNREACHABLE', `the daemon of ${folder} has not said where it listens`, {
      cause,
      hint: 'is it running? Or name it with --url http://HOST:PORT',
    });
  }
}

/** The name under which an action is journaled: --by, or who is logged in. */
export function actorName(by: string | undefined, env: CliContext['env']): string {
  if (by !== undefined) return by;
  try {
    return env.SUDO_USER ?? userInfo().username;
  } catch {
    throw new SmEdgeError('USAGE', 'nobody is known to be logged in', { hint: 'say who does it: --by NAME' });
  }
}
