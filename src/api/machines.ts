import { SmEdgeError } from '../base/errors.js';
import type { GatewaySnapshot, MachineView } from '../pipeline/machines/snapshot.js';
import { pointJson } from './points.js';
import type { RouteGroup } from './server.js';

export interface MachineDeps {
  snapshot(): GatewaySnapshot;
}

const timeJson = (timeMs: number | undefined): string | null =>
  timeMs !== undefined && Number.isFinite(timeMs) ? new Date(timeMs).toISOString() : null;

const machineJson = ({ id, class: machineClass, health, healthTimeMs, pulls, operating }: MachineView) => ({
  id,
  class: machineClass,
  health: health ?? null,
  healthTime: timeJson(healthTimeMs),
  pulls: pulls ?? [],
  state:
    operating === undefined
      ? null
      : {
          name: operating.state,
          kind: operating.kind,
          since: timeJson(operating.sinceMs),
          toldBy: operating.toldBy,
          known: operating.known,
        },
});

/** `GET /api/v1/machines` and `/machines/{machine}`, the latter with its points. */
export const machineRoutes =
  (deps: MachineDeps): RouteGroup =>
  (app) => {
    app.get('/api/v1/machines', async () => ({ machines: deps.snapshot().machines.map(machineJson) }));
    app.get<{ Params: { machine: string } }>('/api/v1/machines/:machine', async ({ params }) => {
      const machine = deps.snapshot().machines.find(({ id }) => id === params.machine);
      if (machine === undefined)
        throw new SmEdgeError('NOT_FOUND', `nothing has come from a machine named ${params.machine}`, {
          hint: 'GET /api/v1/machines lists the machines',
        });
      return { ...machineJson(machine), points: machine.points.map(pointJson) };
    });
  };
