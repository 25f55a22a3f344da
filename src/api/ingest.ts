import { SmEdgeError } from '../base/errors.js';
import type { IngestResult } from '../sources/http/door.js';
import type { RouteGroup } from './server.js';

/** A million float32 samples in base64, and some. */
const BODY_LIMIT_BYTES = 8 * 2 ** 20;
const MAX_KEY_LENGTH = 200;

export interface IngestDeps {
  /** Resolves once what was posted is on disk. */
  ingest(document: unknown, key: string | undefined): Promise<IngestResult>;
}

/** `POST /api/v1/data/ingest`: readings and waveforms; 201 once stored, 200 for a request that came again. */
export const ingestRoutes =
  (deps: IngestDeps): RouteGroup =>
  (app) => {
    app.post('/api/v1/data/ingest', { bodyLimit: BODY_LIMIT_BYTES }, async (request, reply) => {
      const { id, readings, waveforms, repeated } = await deps.ingest(request.body, keyOf(request.headers));
      return reply
        .code(repeated ? 200 : 201)
        .header('idempotency-replayed', String(repeated))
        .send({
          status: repeated ? 'duplicate_ignored' : 'stored',
          id,
          event_id: id,
          correlation_id: correlationOf(request.body) ?? id,
          readings,
          waveforms,
        });
    });
  };

function keyOf(headers: Readonly<Record<string, unknown>>): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && key.length > 0 && key.length <= MAX_KEY_LENGTH) return key;
  throw new SmEdgeError('BAD_REQUEST', `Idempotency-Key is a text of 1 to ${MAX_KEY_LENGTH} characters`);
}

function correlationOf(body: unknown): string | undefined {
  const id =
    typeof body === 'object' && body !== null && (body as { correlation_id?: unknown }).correlation_id;
  return typeof id === 'string' ? id : undefined;
}
