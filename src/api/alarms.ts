import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { PRIORITIES } from '../alarms/config.js';
import { ALARM_STATES } from '../alarms/transition.js';
import { type Clock, systemClock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import { duration } from '../base/schema.js';
import { type AlarmDesk, MAX_SHELVE_MS } from '../pipeline/desks/alarm-desk.js';
import { count, line, parseRequest, time } from './request.js';
import type { RouteGroup } from './server.js';

/** What the routes need of the gateway. */
export interface AlarmSource {
  /** @throws SmEdgeError `NOT_READY` while the gateway starts */
  readonly desks: { readonly alarms: AlarmDesk };
}

/** An answer waits this long for the disk, milliseconds; what was asked for is done all the same once it takes it. */
const WRITE_TIMEOUT_MS = 10_000;
const STANDARD_PERIOD_MS = 7 * 86_400_000;

const pattern = z.string().min(1).max(200);
const listQuery = z.strictObject({
  all: z.stringbool().default(false),
  point: pattern.optional(),
  machine: z.string().min(1).max(64).optional(),
  state: z.enum(ALARM_STATES).optional(),
  severity: z.enum(PRIORITIES).optional(),
});
const heldQuery = z.strictObject({ point: pattern.optional(), limit: count(1000, 100) });
const periodQuery = z.strictObject({ from: time().optional(), to: time().optional() });

/** Who did it; a gateway has no accounts, so it is the name that was given. */
const actor = z.strictObject({ by: line(64), note: line(500).exactOptional() });
const shelveBody = actor.extend({
  for: duration({ minMs: 60_000, maxMs: MAX_SHELVE_MS }),
});
const commentBody = z.strictObject({ by: line(64), text: line(2000) });
const labelBody = actor.extend({ correct: z.boolean(), cause: line(200).exactOptional() });

/** Paths of the actions that take nothing but who and why. */
const ACTIONS = {
  acknowledge: 'acknowledge',
  reset: 'reset',
  unshelve: 'unshelve',
  suppress: 'suppress',
  unsuppress: 'unsuppress',
  'remove-from-service': 'remove-from-service',
  'return-to-service': 'return-to-service',
} as const;

type AlarmParams = { alarm: string; point: string };

/** /api/v1/alarms: what is wrong, and what people do about it. */
export const alarmRoutes =
  (gateway: AlarmSource, clock: Clock = systemClock): RouteGroup =>
  (app) =>
    register(app, () => gateway.desks.alarms, clock);

function register(app: FastifyInstance, alarms: () => AlarmDesk, clock: Clock): void {
  const done = <T>(what: string, work: Promise<T>) =>
    withDeadline(clock, what, WRITE_TIMEOUT_MS, work).catch((thrown) => {
      if (toSmEdgeError(thrown).code !== 'DEADLINE') throw thrown;
      throw new SmEdgeError('STORE_WAITS', `${what}: done, but not on disk yet`, {
        retryable: true,
        hint: 'the store does not take it now ("sm-edge status" tells why); it is journaled once it does, and lost where the gateway stops before',
      });
    });
  const target = (request: FastifyRequest) => request.params as AlarmParams;

  app.get('/api/v1/alarms', async (request) => {
    const { all, ...filter } = parseRequest(listQuery, request.query);
    const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
    return { alarms: alarms().list({ all, ...given }) };
  });

  app.get('/api/v1/alarms/stats', async (request) => {
    const { from, to = clock.nowMs() } = parseRequest(periodQuery, request.query);
    return alarms().statistics(from ?? to - STANDARD_PERIOD_MS, to);
  });

  app.get('/api/v1/alarms/held-back', async (request) => {
    const { limit, point } = parseRequest(heldQuery, request.query);
    return { heldBack: alarms().heldBack(limit, point) };
  });

  app.get('/api/v1/alarms/:alarm/:point', async (request) => {
    const { alarm, point } = target(request);
    return alarms().details(alarm, point);
  });

  for (const [path, kind] of Object.entries(ACTIONS)) {
    app.post(`/api/v1/alarms/:alarm/:point/${path}`, async (request) => {
      const { alarm, point } = target(request);
      const who = parseRequest(actor, request.body);
      return done(path, alarms().act(alarm, point, { kind }, who));
    });
  }

  app.post('/api/v1/alarms/:alarm/:point/shelve', async (request) => {
    const { alarm, point } = target(request);
    const { for: forMs, ...who } = parseRequest(shelveBody, request.body);
    return done('shelve', alarms().act(alarm, point, { kind: 'shelve', forMs }, who));
  });

  app.post('/api/v1/alarms/:alarm/:point/comment', async (request, reply) => {
    const { alarm, point } = target(request);
    const { by, text } = parseRequest(commentBody, request.body);
    await done('comment', alarms().comment(alarm, point, { by, note: text }));
    return reply.code(204).send();
  });

  app.post('/api/v1/alarms/:alarm/:point/label', async (request, reply) => {
    const { alarm, point } = target(request);
    const { correct, cause, ...who } = parseRequest(labelBody, request.body);
    const label = { correct, ...(cause === undefined ? {} : { cause }) };
    await done('label', alarms().label(alarm, point, label, who));
    return reply.code(204).send();
  });
}
