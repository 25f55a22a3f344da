import { z } from 'zod';
import { type Clock, systemClock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import type { TimeSyncAnswer } from '../base/time-sync.js';
import type { Housekeeping } from '../pipeline/upkeep/housekeeping.js';
import type { RetentionTime } from '../storage/retention-clock.js';
import { line, parseRequest } from './request.js';
import type { RouteGroup } from './server.js';

/** What the routes need of the gateway. */
export interface ClockSource {
  /** @throws SmEdgeError `NOT_READY` while the gateway starts */
  readonly housekeeping: Pick<Housekeeping, 'retentionTime' | 'confirmClock' | 'timeSync'>;
}

const TIMEOUT_MS = 10_000;
const actor = z.strictObject({ by: line(64) });

const clockJson = (time: RetentionTime, sync: TimeSyncAnswer) => ({
  believed: new Date(time.nowMs).toISOString(),
  doubtedS: time.doubtedMs / 1000,
  catchingUp: time.catchingUp,
  /** Null where nothing on the gateway tells. */
  synchronised: sync.synchronised ?? null,
  synchronisedSays: sync.by ?? null,
});
export type ClockJson = ReturnType<typeof clockJson>;

/** /api/v1/clock: the time that old data are deleted by, and a person's word that the clock of the gateway is right. */
export const clockRoutes =
  (gateway: ClockSource, clock: Clock = systemClock): RouteGroup =>
  (app) => {
    const answer = async (work: Promise<RetentionTime>) => {
      const both = Promise.all([work, gateway.housekeeping.timeSync()]);
      return clockJson(...(await withDeadline(clock, 'clock', TIMEOUT_MS, both)));
    };
    app.get('/api/v1/clock', () => answer(gateway.housekeeping.retentionTime()));
    app.post('/api/v1/clock/confirm', (request) =>
      answer(gateway.housekeeping.confirmClock(parseRequest(actor, request.body).by)),
    );
  };
