import { SmEdgeError } from '../base/errors.js';
import type { CaseMemory } from '../pipeline/cases/case-memory.js';
import type { FaultRecord } from '../pipeline/cases/case-record.js';
import type { RouteGroup } from './server.js';

/** What the routes need of the gateway. */
export interface CaseSource {
  /** @throws SmEdgeError `NOT_READY` while the gateway starts */
  readonly desks: { readonly learning: { readonly cases: CaseMemory } };
}

/** A case as JSON: times as ISO 8601. */
export const caseJson = ({ format: _format, fromMs, toMs, ...rest }: FaultRecord) => ({
  ...rest,
  from: new Date(fromMs).toISOString(),
  to: Number.isFinite(toMs) ? new Date(toMs).toISOString() : null,
});

/** /api/v1/cases: faults that people named, as the features of their points were while they stood. */
export const caseRoutes =
  (gateway: CaseSource): RouteGroup =>
  (app) => {
    app.get('/api/v1/cases', async () => ({ cases: gateway.desks.learning.cases.list().map(caseJson) }));
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
