import { STATUS_CODES } from 'node:http';
import fastify, { type FastifyError, type FastifyInstance, LogController } from 'fastify';
import { SmEdgeError } from '../base/errors.js';
import type { HealthReport } from '../base/health.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';

/** What the HTTP server shows of the gateway. */
export interface ApiDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  health(): HealthReport;
  /** True once every part has been started, and until the gateway stops. */
  ready(): boolean;
  /** The groups of routes under /api/v1. */
  readonly routes?: readonly RouteGroup[];
}

/** Adds routes that belong together. */
export type RouteGroup = (app: FastifyInstance) => void;

/** A larger request is refused before it is read; a route may say otherwise. */
const BODY_LIMIT_BYTES = 64 * 1024;
/** A peer that does not send its request within this time is dropped, milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Problem details, RFC 9457. */
interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The house's stable error code. */
  readonly code: string;
  readonly hint?: string;
  readonly errors?: unknown;
}

/** Status of an error that says none: a client's fault by its code, a retryable one is worth another try later. */
function statusOf(error: FastifyError | SmEdgeError): number {
  if (!(error instanceof SmEdgeError)) return error.statusCode ?? 500;
  const known = STATUS_OF_CODE[error.code];
  return known ?? (error.retryable ? 503 : 500);
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  INGEST_INVALID: 422,
  IDEMPOTENCY_KEY_REUSED: 422,
  KEY_REQUIRED: 401,
  NOT_FOUND: 404,
  REQUEST_INVALID: 400,
  ALARM_UNKNOWN: 404,
  ALARM_STATE: 409,
  CASE_UNKNOWN: 404,
  PERIOD_UNKNOWN: 404,
  PERIOD_INVALID: 422,
  POINT_UNKNOWN: 404,
  COMMISSIONING_UNKNOWN: 404,
  COMMISSIONING_STATE: 409,
  DEAD_LETTER_UNKNOWN: 404,
  DEAD_LETTER_HANDLER: 409,
  DEAD_LETTER_FAILED: 409,
  BAD_REQUEST: 400,
  POINT_READ_ONLY: 403,
  VALUE_OUT_OF_RANGE: 422,
  VALUE_NOT_REPRESENTABLE: 422,
  MODBUS_EXCEPTION: 422,
  MODBUS_WRITE_NOT_TAKEN: 409,
  MODBUS_WRITE_UNKNOWN: 409,
};

/** Said to a client that is to come again, seconds. */
const RETRY_AFTER_S = 5;

const problem = (status: number, code: string, detail: string): Problem => ({
  type: 'about:blank',
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  code,
});

/** The server with all its routes, not yet listening (so that tests can inject requests). */
export function createApi(deps: ApiDeps): FastifyInstance {
  const app = fastify({
    loggerInstance: deps.logger,
    // A scrape every few seconds for years would be all that the log holds.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: 2 * REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
  }) as unknown as FastifyInstance;

  app.setErrorHandler((error: FastifyError | SmEdgeError, _request, reply) => {
    const status = statusOf(error);
    const known = error instanceof SmEdgeError;
    if (status >= 500 && status !== 503) deps.logger.error({ err: error }, 'request failed');
    if (status === 503) reply.header('retry-after', RETRY_AFTER_S);
    const code = known ? error.code : (error.code ?? 'INTERNAL');
    const secret = status >= 500 && !(known && error.retryable);
    return reply
      .code(status)
      .type('application/problem+json')
      .send({
        ...problem(status, code, secret ? 'the gateway could not answer; its log says why' : error.message),
        ...(known && error.hint !== undefined && !secret ? { hint: error.hint } : {}),
        ...(known && error.details.errors !== undefined ? { errors: error.details.errors } : {}),
      });
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .type('application/problem+json')
      .send(problem(404, 'NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`)),
  );

  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) => {
    const ready = deps.ready();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' });
  });
  app.get('/health', async (_request, reply) => {
    const report = deps.health();
    return reply.code(report.state === 'failed' ? 503 : 200).send(report);
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics()),
  );
  for (const group of deps.routes ?? []) group(app);
  return app;
}

/**
 * Starts to listen; gives the port that was bound (the config may say 0).
 * @throws SmEdgeError `HTTP_LISTEN` where the address cannot be bound.
 */
export async function listen(app: FastifyInstance, address: { host: string; port: number }): Promise<number> {
  try {
    await app.listen({ host: address.host, port: address.port });
  } catch (cause) {
    throw new SmEdgeError('HTTP_LISTEN', `cannot listen on ${address.host}:${address.port}`, {
      cause,
      hint: 'another program holds the port, or the address is not of this machine: change http.listen',
    });
  }
  const bound = app.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : address.port;
}
