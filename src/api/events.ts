import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import { EVENT_TYPES } from '../events/event.js';
import type { EventQuery } from '../events/query.js';
import type { EventDesk } from '../pipeline/desks/event-desk.js';
import { count, line, parseRequest, time } from './request.js';
import type { RouteGroup } from './server.js';

/** What the routes need of the gateway. */
export interface EventSource {
  /** @throws SmEdgeError `NOT_READY` while the gateway starts */
  readonly desks: { readonly events: EventDesk };
}

const place = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const eventQuery = z.strictObject({
  /** One type, or several with commas between them. */
  type: z
    .string()
    .max(1000)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(EVENT_TYPES)).max(EVENT_TYPES.length))
    .optional(),
  point: z.string().min(1).max(200).optional(),
  correlation: z.string().min(1).max(100).optional(),
  from: time().optional(),
  to: time().optional(),
  after: place.optional(),
  before: place.optional(),
  limit: count(1000, 100),
});
const deadLetterQuery = z.strictObject({ subscriber: line(100).exactOptional(), limit: count(1000, 100) });
const letterParams = z.strictObject({ id: place });

/** /api/v1/events: the journal; /api/v1/dead-letters: what a subscriber could not take. */
export const eventRoutes =
  (gateway: EventSource): RouteGroup =>
  (app) => {
    app.get('/api/v1/events', async (request) => {
      const { type, point, correlation, from, to, after, before, limit } = parseRequest(
        eventQuery,
        request.query,
      );
      const wanted = {
        types: type,
        point,
        correlationId: correlation,
        fromMs: from,
        toMs: to,
        afterSeq: after,
        beforeSeq: before,
      };
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
      // From a place on: the next ones. Without one: the newest.
      const query: EventQuery = { ...given, newest: after === undefined, limit };
      return { events: await gateway.desks.events.list(query) };
    });

    app.get('/api/v1/events/:id', async (request) => {
      const { id } = request.params as { id: string };
      const [event] = await gateway.desks.events.list({ id: id.slice(0, 100), limit: 1 });
      if (event === undefined) throw new SmEdgeError('NOT_FOUND', `there is no event ${id}`);
      return event;
    });

    app.get('/api/v1/dead-letters', async (request) => {
      const { subscriber, limit } = parseRequest(deadLetterQuery, request.query);
      const filter = { limit, ...(subscriber === undefined ? {} : { subscriber }) };
      return { deadLetters: await gateway.desks.events.deadLetters(filter) };
    });

    app.get('/api/v1/dead-letters/:id', async (request) => {
      const { id } = parseRequest(letterParams, request.params);
      const letter = await gateway.desks.events.deadLetter(id);
      if (letter === undefined)
        throw new SmEdgeError('DEAD_LETTER_UNKNOWN', `there is no dead letter ${id}`, {
          hint: '"sm-edge dlq list" shows them',
        });
      return letter;
    });

    app.post('/api/v1/dead-letters/:id/retry', async (request, reply) => {
      const { id } = parseRequest(letterParams, request.params);
      await gateway.desks.events.retry(id);
      return reply.code(204).send();
    });

    app.delete('/api/v1/dead-letters/:id', async (request, reply) => {
      const { id } = parseRequest(letterParams, request.params);
      await gateway.desks.events.drop(id);
      return reply.code(204).send();
    });
  };
