import type { ChunkStore } from '../chunks/chunk-store.js';
import { clampedUs, rowsBetween } from '../chunks/queries.js';
import type { Series } from '../chunks/series.js';
import { aggregate } from './aggregate.js';
import { extremes, largestTriangles, type Points } from './downsample.js';

export interface PlotRequest {
  readonly point: string;
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
  readonly points: number;
  /** `lttb` keeps the shape, `min-max` every peak. */
  readonly method: 'lttb' | 'min-max';
}

/** A line to be drawn, in one unit. */
export interface Plot {
  readonly unit: string;
  /** `raw`: chosen among the readings. Otherwise the extremes of the buckets of this level, since there are too many. */
  readonly level: 'raw' | 'minute' | 'hour' | 'day';
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

const MAX_RAW = 1_000_000;
const MAX_POINTS = 20_000;

/** Few points for many readings, bad ones left out; one line for each unit that the point had. */
export function plot(store: ChunkStore, request: PlotRequest): Plot[] {
  const most = Math.max(4, Math.min(MAX_POINTS, Math.floor(request.points)));
  const fromUs = clampedUs(request.fromMs);
  const toUs = clampedUs(request.toMs);
  const choose = request.method === 'lttb' ? largestTriangles : extremes;
  const all = store.series.ofPoint(request.point, 'readings');
  const raw = all.every((series) => rawCount(store, series, fromUs, toUs) <= MAX_RAW);
  const lines = raw
    ? all.map((series): Plot => {
        const chosen = choose(usable(store, series, fromUs, toUs), most);
        return { unit: series.detail, level: 'raw', ...inMs(chosen) };
      })
    : aggregate(store, { ...request, buckets: most / 2 }).map(
        ({ unit, level, startsMs, widthMs, min, max }) => {
          // Where in its bucket an extreme lies is not kept.
          const timesUs = new Float64Array(startsMs.length * 2);
          const values = new Float64Array(startsMs.length * 2);
          for (const [index, startMs] of startsMs.entries()) {
            timesUs[2 * index] = (startMs + widthMs / 4) * 1000;
            timesUs[2 * index + 1] = (startMs + (3 * widthMs) / 4) * 1000;
            values[2 * index] = min[index]!;
            values[2 * index + 1] = max[index]!;
          }
          return { unit, level, ...inMs(choose({ timesUs, values }, most)) };
        },
      );
  return lines.filter(({ values }) => values.length > 0);
}

function rawCount(store: ChunkStore, series: Series, fromUs: number, toUs: number): number {
  return store.table.heads(series.id, fromUs, toUs).reduce((sum, { count }) => sum + count, 0);
}

function usable(store: ChunkStore, series: Series, fromUs: number, toUs: number): Points {
  const { timesUs, doubles, codes } = rowsBetween(store, series, fromUs, toUs, 2 * MAX_RAW);
  const values = Float64Array.from(doubles[0] ?? [], (value, row) =>
    (codes[0]![row]! & 3) > 1 || !Number.isFinite(value) ? Number.NaN : value,
  );
  return { timesUs, values };
}

const inMs = ({ timesUs, values }: Points) => ({
  timesMs: Float64Array.from(timesUs, (timeUs) => timeUs / 1000),
  values,
});
