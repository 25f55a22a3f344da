import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import type { CaseMemory } from '../pipeline/cases/case-memory.js';
import type { FaultRecord } from '../pipeline/cases/case-record.js';
import { isMissed, type LabelledPeriod } from '../pipeline/cases/period.js';
import type { PeriodDesk } from '../pipeline/cases/period-desk.js';
import { pointName } from '../signals/point.js';
import { line, parseRequest, time } from './request.js';
import type { RouteGroup } from './server.js';

/** What the routes need of the gateway. */
export interface CaseSource {
  /** @throws SmEdgeError `NOT_READY` while the gateway starts */
  readonly desks: { readonly learning: { readonly cases: CaseMemory; readonly periods: PeriodDesk } };
}

const actor = { by: line(64), note: line(500).exactOptional() };
const stretch = { point: pointName(), from: time(), to: time(), ...actor };
const labelBody = z.union(
  [
    z.strictObject({ ...stretch, cause: line(200) }),
    z.strictObject({ ...stretch, healthy: z.literal(true) }),
  ],
  'give point, from, to (ISO 8601 with a zone), by, and either cause (what was wrong) or healthy: true',
);
const periodQuery = z.strictObject({ point: pointName().optional() });

/** A case as JSON: times as ISO 8601. */
export const caseJson = ({ format: _format, fromMs, toMs, ...rest }: FaultRecord) => ({
  ...rest,
  from: new Date(fromMs).toISOString(),
  to: Number.isFinite(toMs) ? new Date(toMs).toISOString() : null,
});

/** What a person said of a stretch of time as JSON: times as ISO 8601. */
export const periodJson = ({ fromMs, toMs, saidMs, ...rest }: LabelledPeriod) => ({
  ...rest,
  from: new Date(fromMs).toISOString(),
  to: new Date(toMs).toISOString(),
  said: new Date(saidMs).toISOString(),
  missed: isMissed(rest),
});

/** /api/v1/cases: faults that people named, as the features of their points were while they stood. */
export const caseRoutes =
  (gateway: CaseSource): RouteGroup =>
  (app) => {
    app.get('/api/v1/cases', async () => ({ cases: gateway.desks.learning.cases.list().map(caseJson) }));
    app.get('/api/v1/cases/periods', async (request) => {
      const { point } = parseRequest(periodQuery, request.query);
      return { periods: (await gateway.desks.learning.periods.list(point)).map(periodJson) };
    });
    app.post('/api/v1/cases/periods', async (request, reply) => {
      const body = parseRequest(labelBody, request.body);
      const { point, from: fromMs, to: toMs, by, note } = body;
      const answer = await gateway.desks.learning.periods.label(
        { point, fromMs, toMs, ...('cause' in body ? { cause: body.cause } : {}) },
        { by, ...(note === undefined ? {} : { note }) },
      );
      return reply.code(201).send({ ...answer, period: periodJson(answer.period) });
    });
    app.post<{ Params: { id: string } }>('/api/v1/cases/periods/:id/withdraw', async (request, reply) => {
      const who = parseRequest(z.strictObject(actor), request.body);
      await gateway.desks.learning.periods.withdraw(request.params.id, who);
      return reply.code(204).send();
    });
    app.get<{ Params: { id: string } }>('/api/v1/cases/:id', async ({ params }) => {
      const found = gateway.desks.learning.cases.list().find(({ id }) => id === params.id);
      if (found !== undefined) return caseJson(found);
      throw new SmEdgeError('CASE_UNKNOWN', `there is no case ${params.id}`);
    });
    app.delete<{ Params: { id: string } }>('/api/v1/cases/:id', async ({ params }, reply) => {
      await gateway.desks.learning.cases.forget(params.id);
      return reply.code(204).send();
    });
  };
