import { z } from 'zod';
import type { Actor } from '../alarms/engine.js';
import { type Clock, systemClock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { duration } from '../base/schema.js';
import type { Commissioning } from '../pipeline/commissioning/commissioning.js';
import { type CommissioningRecord, healthySum } from '../pipeline/commissioning/record.js';
import { sentenceOf } from '../pipeline/commissioning/sentence.js';
import { line, parseRequest } from './request.js';
import type { RouteGroup } from './server.js';

/** What the routes need of the gateway. */
export interface CommissioningSource {
  /** @throws SmEdgeError `NOT_READY` while the gateway starts */
  readonly desks: { readonly learning: { readonly commissioning: Commissioning } };
}

const WRITE_TIMEOUT_MS = 10_000;

const actor = z.strictObject({ by: line(64), note: line(500).exactOptional() });
const startBody = actor.extend({
  healthy: duration({ minMs: 1_000, maxMs: 90 * 86_400_000 }).optional(),
});

/** A record as JSON: durations in seconds, times as ISO 8601. */
export const recordJson = (record: CommissioningRecord) => ({
  point: record.point,
  machine: record.machine,
  state: record.state,
  by: record.by,
  started: new Date(record.startedMs).toISOString(),
  since: new Date(record.sinceMs).toISOString(),
  neededS: record.neededMs / 1000,
  healthyS: healthySum(record) / 1000,
  healthyByStateS: inSeconds(record.healthyMs),
  leftOutS: inSeconds(record.leftOutMs),
  progress: shareOf(record),
  model: record.model ?? null,
  states: record.states ?? [],
  former: record.former ?? null,
  vouchedBy: record.vouchedBy ?? null,
  message: sentenceOf(record),
});

const inSeconds = (ms: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(ms).map(([key, value]) => [key, value / 1000]));

function shareOf(record: CommissioningRecord): number {
  const { state, neededMs, progress = 0 } = record;
  if (state === 'training') return progress;
  return state === 'in-use' ? 1 : Math.min(1, healthySum(record) / neededMs);
}

/** /api/v1/commissioning: which points are being learned, and what people say to it; targets are points or machines. */
export const commissioningRoutes =
  (gateway: CommissioningSource, clock: Clock = systemClock): RouteGroup =>
  (app) => {
    const answer = async (work: Promise<CommissioningRecord[]>) => ({
      commissioning: (await withDeadline(clock, 'commissioning', WRITE_TIMEOUT_MS, work)).map(recordJson),
    });

    app.get('/api/v1/commissioning', async () => ({
      commissioning: gateway.desks.learning.commissioning.list().map(recordJson),
    }));

    app.post<{ Params: { target: string } }>('/api/v1/commissioning/:target/start', async (request) => {
      const { healthy, ...who } = parseRequest(startBody, request.body);
      const wanted = { ...who, ...(healthy === undefined ? {} : { healthyMs: healthy }) };
      return answer(gateway.desks.learning.commissioning.begin(request.params.target, wanted));
    });

    const actions: Record<string, (target: string, who: Actor) => Promise<CommissioningRecord[]>> = {
      stop: (target, who) => gateway.desks.learning.commissioning.end(target, who),
      accept: (target, who) => gateway.desks.learning.commissioning.accept(target, who),
      rollback: (target, who) => gateway.desks.learning.commissioning.rollback(target, who),
    };
    for (const [path, act] of Object.entries(actions))
      app.post<{ Params: { target: string } }>(`/api/v1/commissioning/:target/${path}`, async (request) =>
        answer(act(request.params.target, parseRequest(actor, request.body))),
      );
  };
