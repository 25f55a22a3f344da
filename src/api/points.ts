import type { FastifyInstance } from 'fastify';
import { SmEdgeError } from '../base/errors.js';
import type { PointBoard } from '../pipeline/machines/point-board.js';
import type { PointView, WaveformView } from '../pipeline/machines/snapshot.js';
import type { RouteGroup } from './server.js';

export interface PointDeps {
  readonly board: Pick<PointBoard, 'points' | 'point' | 'waveform' | 'onReading'>;
}

const MAX_WAVEFORM_MS = 60_000;

/** A point as JSON: times as ISO 8601, what is not known as null. */
export const pointJson = ({
  timeMs,
  value,
  score,
  threshold,
  state,
  unjudged,
  diagnosis,
  reason,
  sampleRateHz,
  ...rest
}: PointView) => ({
  ...rest,
  time: Number.isFinite(timeMs) ? new Date(timeMs).toISOString() : null,
  value: value ?? null,
  reason: reason ?? null,
  kind: sampleRateHz === undefined ? 'reading' : 'waveform',
  sampleRateHz: sampleRateHz ?? null,
  score: score ?? null,
  threshold: threshold ?? null,
  state: state ?? null,
  unjudged: unjudged ?? null,
  diagnosis: diagnosis ?? null,
});

export const waveformJson = ({ startTimeMs, samples, ...rest }: WaveformView) => ({
  ...rest,
  startTime: new Date(startTimeMs).toISOString(),
  samples: [...samples],
});

/** `GET /api/v1/points`, `/points/{point}` and `/points/{point}/waveform?ms=1000`. */
export const pointRoutes =
  (deps: PointDeps): RouteGroup =>
  (app: FastifyInstance) => {
    const known = (name: string): PointView => {
      const point = deps.board.point(name);
      if (point !== undefined) return point;
      throw new SmEdgeError('NOT_FOUND', `nothing has come from a point named ${name}`, {
        hint: 'GET /api/v1/points lists the points',
      });
    };
    app.get('/api/v1/points', async () => ({ points: deps.board.points().map(pointJson) }));
    app.get<{ Params: { point: string } }>('/api/v1/points/:point', async ({ params }) =>
      pointJson(known(params.point)),
    );
    app.get<{ Params: { point: string }; Querystring: { ms?: string } }>(
      '/api/v1/points/:point/waveform',
      async ({ params, query }) => {
        known(params.point);
        const durationMs = Number(query.ms ?? 1000);
        if (!(durationMs > 0 && durationMs <= MAX_WAVEFORM_MS))
          throw new SmEdgeError('BAD_REQUEST', `ms is a number from 1 to ${MAX_WAVEFORM_MS}`);
        const waveform = deps.board.waveform(params.point, durationMs);
        if (waveform !== undefined) return waveformJson(waveform);
        throw new SmEdgeError('NOT_FOUND', `${params.point} is no waveform`);
      },
    );
  };
