import type { FastifyReply } from 'fastify';
import type { Clock, Timer } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import type { HealthReport } from '../base/health.js';
import type { GatewaySnapshot } from '../pipeline/machines/snapshot.js';
import type { Reading } from '../signals/reading.js';
import { type PointDeps, pointJson, waveformJson } from './points.js';
import type { RouteGroup } from './server.js';

export interface LiveDeps extends PointDeps {
  readonly clock: Clock;
  snapshot(): GatewaySnapshot;
  health(): HealthReport;
}

/** Listeners at a time; each costs a timer and some memory. */
const MAX_LISTENERS = 32;
/** Readings that wait for the next moment of sending; the oldest go, and are counted. */
const MAX_WAITING = 1_000;
/** A listener that does not read is dropped when so much waits for it, bytes. */
const MAX_BACKLOG_BYTES = 4 * 2 ** 20;
const SEND_INTERVAL_MS = 200;
/** Signal in one `waveform`, and the most of it. */
const WAVEFORM_MS = 200;
const MAX_WAVEFORM_MS = 5_000;

interface Query {
  readonly point?: string;
  readonly interval?: string;
  readonly ms?: string;
}

/**
 * `GET /api/v1/live`: server-sent events. Without a point a `snapshot` of the whole gateway every `interval` (ms, 1000);
 * with `?point=NAME` each `reading` of it, or its newest piece of `waveform` every interval.
 */
export const liveRoutes =
  (deps: LiveDeps): RouteGroup =>
  (app) => {
    const open = new Set<() => void>();
    app.addHook('preClose', async () => {
      for (const end of open) end();
    });
    app.get<{ Querystring: Query }>('/api/v1/live', (request, reply) => {
      const { point } = request.query;
      const intervalMs = Number(request.query.interval ?? 1000);
      if (!(intervalMs >= 100 && intervalMs <= 60_000))
        throw new SmEdgeError('BAD_REQUEST', 'interval is a number from 100 to 60000, milliseconds');
      const spanMs = Number(request.query.ms ?? WAVEFORM_MS);
      if (!(spanMs > 0 && spanMs <= MAX_WAVEFORM_MS))
        throw new SmEdgeError('BAD_REQUEST', `ms is a number from 1 to ${MAX_WAVEFORM_MS}`);
      if (open.size >= MAX_LISTENERS)
        throw new SmEdgeError('TOO_MANY_LISTENERS', `${MAX_LISTENERS} already listen`, { retryable: true });
      const stream = new EventStream(reply);
      const stop =
        point === undefined
          ? sendSnapshots(deps, stream, intervalMs)
          : sendPoint(deps, stream, point, intervalMs, spanMs);
      const end = () => {
        open.delete(end);
        stop();
        stream.end();
      };
      open.add(end);
      request.raw.on('close', end);
    });
  };

/** One listener: events out, and gone when it does not read. */
class EventStream {
  readonly #reply: FastifyReply;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
    });
  }

  send(event: string, data: unknown): void {
    const { raw } = this.#reply;
    if (raw.writableEnded || raw.destroyed) return;
    raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (raw.writableLength > MAX_BACKLOG_BYTES) raw.destroy();
  }

  end(): void {
    this.#reply.raw.end();
  }
}

/** Runs `work` now and every interval; the function given back ends that. */
function every(clock: Clock, intervalMs: number, work: () => void): () => void {
  let timer: Timer | undefined;
  const step = () => {
    work();
    timer = clock.setTimer('live', intervalMs, step);
  };
  step();
  return () => timer?.cancel();
}

const sendSnapshots = (deps: LiveDeps, stream: EventStream, intervalMs: number): (() => void) =>
  every(deps.clock, intervalMs, () => stream.send('snapshot', { ...deps.snapshot(), health: deps.health() }));

function sendPoint(
  deps: LiveDeps,
  stream: EventStream,
  point: string,
  intervalMs: number,
  spanMs: number,
): () => void {
  let waiting: Reading[] = [];
  let dropped = 0;
  const unsubscribe = deps.board.onReading((reading) => {
    if (reading.point !== point) return;
    if (waiting.length >= MAX_WAITING) {
      waiting.shift();
      dropped++;
    }
    waiting.push(reading);
  });
  const view = deps.board.point(point);
  if (view !== undefined) stream.send('point', pointJson(view));
  const stopReadings = every(deps.clock, SEND_INTERVAL_MS, () => {
    if (dropped > 0) stream.send('dropped', { readings: dropped });
    dropped = 0;
    for (const { timeMs, value, ...rest } of waiting)
      stream.send('reading', {
        ...rest,
        time: new Date(timeMs).toISOString(),
        value: Number.isFinite(value) ? value : null,
      });
    waiting = [];
  });
  const stopWaveforms = every(deps.clock, intervalMs, () => {
    const waveform = deps.board.waveform(point, spanMs);
    const now = deps.board.point(point);
    if (waveform !== undefined && waveform.samples.length > 0 && now !== undefined)
      stream.send('waveform', { ...waveformJson(waveform), point: pointJson(now) });
  });
  return () => {
    unsubscribe();
    stopReadings();
    stopWaveforms();
  };
}
