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
}

/** No request of today's API has a body; a larger one is refused before it is read. */
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
}

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

  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) deps.logger.error({ err: error }, 'request failed');
    const code = error instanceof SmEdgeError ? error.code : (error.code ?? 'INTERNAL');
    return reply
      .code(status)
      .type('application/problem+json')
      .send(
        problem(
          status,
          code,
          status >= 500 ? 'the gateway could not answer; its log says why' : error.message,
        ),
      );
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
