import { z } from 'zod';
import { type Clock, systemClock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import type { Housekeeping } from '../pipeline/housekeeping.js';
import type { RetentionTime } from '../storage/retention-clock.js';
import { line, parseRequest } from './request.js';
import type { RouteGroup } from './server.js';

/** What the routes need of the gateway. */
export interface ClockSource {
  /** @throws SmEdgeError `NOT_READY` while the gateway starts */
  readonly housekeeping: Pick<Housekeeping, 'retentionTime' | 'confirmClock'>;
}

const TIMEOUT_MS = 10_000;
const actor = z.strictObject({ by: line(64) });

const clockJson = ({ nowMs, doubtedMs, catchingUp }: RetentionTime) => ({
  believed: new Date(nowMs).toISOString(),
  doubtedS: doubtedMs / 1000,
  catchingUp,
});
export type ClockJson = ReturnType<typeof clockJson>;

/** /api/v1/clock: the time that old data are deleted by, and a person's word that the clock of the gateway is right. */
export const clockRoutes =
  (gateway: ClockSource, clock: Clock = systemClock): RouteGroup =>
  (app) => {
    const answer = async (work: Promise<RetentionTime>) =>
      clockJson(await withDeadline(clock, 'clock', TIMEOUT_MS, work));
    app.get('/api/v1/clock', () => answer(gateway.housekeeping.retentionTime()));
    app.post('/api/v1/clock/confirm', (request) =>
      answer(gateway.housekeeping.confirmClock(parseRequest(actor, request.body).by)),
    );
  };
