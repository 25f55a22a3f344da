import { z } from 'zod';
import type { Gateway } from '../gateway.js';
import type { CaptureRecord } from '../pipeline/live/captures.js';
import { pointPattern } from '../signals/point-pattern.js';
import { count, line, parseRequest } from './request.js';
import type { RouteGroup } from './server.js';

const listQuery = z.strictObject({
  point: pointPattern().optional(),
  correlation: line(64).optional(),
  limit: count(1000, 100),
});
const request = z.strictObject({ point: pointPattern(), by: line(64) });

/** A capture as JSON: times as ISO 8601. */
export const captureJson = ({ startTimeMs, triggerTimeMs, causes, ...rest }: CaptureRecord) => ({
  ...rest,
  startTime: new Date(startTimeMs).toISOString(),
  triggerTime: new Date(triggerTimeMs).toISOString(),
  causes: causes.map(({ timeMs, ...cause }) => ({ ...cause, time: new Date(timeMs).toISOString() })),
});
export type CaptureJson = ReturnType<typeof captureJson>;

/** /api/v1/captures: the raw signals that were kept around alarms and anomalies, or because a person asked. */
export const captureRoutes =
  (gateway: Pick<Gateway, 'desks'>): RouteGroup =>
  (app) => {
    app.get('/api/v1/captures', async ({ query }) => {
      const found = await gateway.desks.captures.list(parseRequest(listQuery, query));
      return { captures: found.map(captureJson) };
    });
    app.post('/api/v1/captures', async ({ body }, reply) => {
      const { point, by } = parseRequest(request, body);
      return reply.code(202).send(gateway.desks.captures.take(point, by));
    });
  };
