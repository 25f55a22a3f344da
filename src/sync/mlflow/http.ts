import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, request } from 'undici';
import type { z } from 'zod';
import type { Clock } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { MlflowAuth, MlflowConfig } from './config.js';
import { badAnswer, httpFailure, linkFailure } from './errors.js';

/** No JSON answer that the gateway asks for comes near this. */
const MAX_JSON_BYTES = 4 * 2 ** 20;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 4;
const CONNECT_TIMEOUT_MS = 10_000;
/** A transfer that stands still for this long is given up (a download is resumed). */
const IDLE_TIMEOUT_MS = 60_000;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path below the tracking URI, its segments percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Readable;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export type Answer = Dispatcher.ResponseData;

/**
 * HTTP to one MLflow server: each request has a deadline, each answer a limit, each failure a code. Redirects are
 * not followed, so that the credentials go nowhere else.
 */
export class MlflowHttp {
  readonly #base: URL;
  readonly #agent: Agent;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #authorization: string | undefined;

  private constructor(config: MlflowConfig, clock: Clock, ca: string | undefined) {
    this.#base = new URL(config.trackingUri);
    this.#clock = clock;
    this.#timeoutMs = config.requestTimeout;
    this.#authorization = config.auth === undefined ? undefined : authorizationOf(config.auth);
    this.#agent = new Agent({
      connections: MAX_CONNECTIONS,
      pipelining: 1,
      connect: { timeout: CONNECT_TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) },
      // The answer to an upload begins when all of it was stored: the deadline of the call decides, not this.
      headersTimeout: 0,
      bodyTimeout: IDLE_TIMEOUT_MS,
    });
  }

  static async open(config: MlflowConfig, clock: Clock): Promise<MlflowHttp> {
    const caFile = config.tls?.ca;
    if (caFile === undefined) return new MlflowHttp(config, clock, undefined);
    try {
      return new MlflowHttp(config, clock, await readFile(caFile, 'utf8'));
    } catch (cause) {
      throw new SmEdgeError('MLFLOW_CA_UNREADABLE', `cannot read ${caFile}: ${(cause as Error).message}`, {
        cause,
        hint: 'set sync.mlflow.tls.ca to a PEM file that the user of the daemon may read',
      });
    }
  }

  get host(): string {
    return this.#base.host;
  }

  /** Sends JSON, gets JSON of the given shape. */
  async json<T>(shape: z.ZodType<T>, call: Call & { readonly body?: string }): Promise<T> {
    const name = `${call.method} ${call.path}`;
    const text = await this.exchange(call, async (answer) =>
      (await readLimited(name, answer, MAX_JSON_BYTES)).toString('utf8'),
    );
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch (cause) {
      throw badAnswer(name, 'it is not JSON', cause);
    }
    const parsed = shape.safeParse(document);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw badAnswer(name, `${issue?.path.join('.') || 'answer'}: ${issue?.message}`, parsed.error);
    }
    return parsed.data;
  }

  /** One request; `use` consumes the body of a 2xx answer before the deadline. Everything else is thrown. */
  async exchange<T>(call: Call, use: (answer: Answer) => Promise<T>): Promise<T> {
    const name = `${call.method} ${call.path}`;
    const timeoutMs = call.timeoutMs ?? this.#timeoutMs;
    const controller = new AbortController();
    const abort = () => controller.abort(call.signal?.reason);
    if (call.signal?.aborted) abort();
    call.signal?.addEventListener('abort', abort, { once: true });
    let isLate = false;
    const timer = this.#clock.setTimer(`mlflow ${name}`, timeoutMs, () => {
      isLate = true;
      controller.abort();
    });
    try {
      const answer = await request(this.#address(call), {
        dispatcher: this.#agent,
        method: call.method,
        signal: controller.signal,
        headers: {
          accept: 'application/json',
          'user-agent': 'sm-edge',
          ...(typeof call.body === 'string' ? { 'content-type': 'application/json' } : {}),
          ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
          ...call.headers,
        },
        ...(call.body === undefined ? {} : { body: call.body }),
      });
      if (answer.statusCode < 200 || answer.statusCode >= 300) throw await failureOf(name, answer);
      return await use(answer);
    } catch (thrown) {
      if (thrown instanceof SmEdgeError) throw thrown;
      if (isLate) {
        throw new SmEdgeError('MLFLOW_TIMEOUT', `MLflow did not finish ${name} within ${timeoutMs} ms`, {
          cause: thrown,
          retryable: true,
          hint: 'the server or the line is slow; it is tried again later',
        });
      }
      throw linkFailure(name, thrown);
    } finally {
      timer.cancel();
      call.signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #address(call: Call): string {
    const prefix = this.#base.pathname.replace(/\/+$/, '');
    const query = call.query === undefined ? '' : `?${new URLSearchParams(call.query)}`;
    return `${this.#base.origin}${prefix}/${call.path}${query}`;
  }
}

function authorizationOf(auth: MlflowAuth): string {
  if ('token' in auth) return `Bearer ${auth.token}`;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')}`;
}

async function readLimited(name: string, answer: Answer, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer.body as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) throw badAnswer(name, `it is longer than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function failureOf(name: string, answer: Answer): Promise<SmEdgeError> {
  const text = await readLimited(name, answer, MAX_ERROR_BYTES).then(
    (body) => body.toString('utf8'),
    () => '',
  );
  const retryAfterS = Number(answer.headers['retry-after']);
  return httpFailure({
    request: name,
    status: answer.statusCode,
    ...errorBody(text),
    ...(retryAfterS > 0 ? { retryAfterMs: Math.min(retryAfterS, 3600) * 1000 } : {}),
  });
}

/** MLflow's errors are `{ error_code, message }`; a proxy's are a page. */
function errorBody(text: string): { errorCode?: string; message: string } {
  try {
    const { error_code, message } = JSON.parse(text) as { error_code?: unknown; message?: unknown };
    if (typeof error_code === 'string') return { errorCode: error_code, message: String(message ?? '') };
  } catch {
    // Not MLflow's: below.
  }
  const plain = text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
  return { message: plain.trim() || 'no explanation' };
}
