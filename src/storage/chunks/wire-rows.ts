import type { Reading } from '../../signals/reading.js';
import type { Columns } from '../codec/chunk.js';
import { type FeatureRow, type ScoreRow, toMs } from '../rows.js';
import { unpackFeatures } from '../wire/features.js';
import { unpackReadings } from '../wire/readings.js';
import { unpackScores } from '../wire/scores.js';
import type { WireBatch } from '../wire/wire.js';
import type { ChunkStore } from './chunk-store.js';
import { qualityOfCode, reasonOfCode } from './kinds.js';
import type { Series } from './series.js';

/** Rows of the store's interface, to and from the columns of a series. */

/** Appends what a batch has of readings, features and scores; in a transaction. */
export function appendWire(store: ChunkStore, batch: WireBatch): void {
  const { series } = store;
  if (batch.readings !== undefined) appendReadings(store, unpackReadings(batch.readings));
  for (const { point, unit, timesUs, values, codes } of batch.readingColumns ?? []) {
    const columns = { timesUs, doubles: [values], codes: [codes], texts: [] };
    store.append(series.ensure(point, 'readings', unit), columns);
  }
  if (batch.features !== undefined) {
    for (const { point, names, timeUs, doubles } of unpackFeatures(batch.features)) {
      store.append(series.ensure(point, 'features', names), {
        timesUs: Float64Array.of(timeUs),
        doubles: Array.from(doubles, (value) => Float64Array.of(value)),
        codes: [],
        texts: [],
      });
    }
  }
  if (batch.scores !== undefined) {
    for (const row of unpackScores(batch.scores)) {
      // A series for each state: it seldom changes, and costs a row nothing then.
      const of = [row.model, row.version, ...(row.state === null ? [] : [row.state])];
      store.append(series.ensure(row.point, 'scores', JSON.stringify(of)), {
        timesUs: Float64Array.of(row.timeUs),
        doubles: [Float64Array.of(row.score), Float64Array.of(row.threshold)],
        codes: [Uint8Array.of(row.anomalous)],
        texts: [[row.fallback], [row.correlationId]],
      });
    }
  }
}

function appendReadings(store: ChunkStore, packed: ReturnType<typeof unpackReadings>): void {
  const { points, places, timesUs, values, codes } = packed;
  const ids = points.map(([point, unit]) => store.series.ensure(point, 'readings', unit).id);
  for (let i = 0; i < places.length; i++)
    store.appendReading(ids[places[i]!]!, timesUs[i]!, values[i]!, codes[i]!);
}

type Of = Pick<Series, 'point' | 'detail'>;

export function toReadings(series: Of, { timesUs, doubles, codes }: Columns): Reading[] {
  return Array.from(timesUs, (timeUs, row) => readingOf(series, timeUs, doubles[0]![row]!, codes[0]![row]!));
}

export function readingOf({ point, detail: unit }: Of, timeUs: number, value: number, code: number): Reading {
  const reason = reasonOfCode(code);
  return {
    point,
    timeMs: toMs(timeUs),
    value,
    unit,
    quality: qualityOfCode(code),
    ...(reason === undefined ? {} : { reason }),
  };
}

export function toFeatureRows({ point, detail }: Of, { timesUs, doubles }: Columns): FeatureRow[] {
  const names = JSON.parse(detail) as string[];
  return Array.from(timesUs, (timeUs, row) => ({
    point,
    timeMs: toMs(timeUs),
    durationMs: toMs(doubles[0]![row]!),
    features: Object.fromEntries(names.map((name, index) => [name, doubles[index + 1]![row]!])),
  }));
}

export function toScoreRows({ point, detail }: Of, { timesUs, doubles, codes, texts }: Columns): ScoreRow[] {
  const [model, version, state] = JSON.parse(detail) as [string, string, string?];
  return Array.from(timesUs, (timeUs, row) => {
    const fallback = texts[0]![row] ?? undefined;
    return {
      point,
      timeMs: toMs(timeUs),
      model,
      version,
      score: doubles[0]![row]!,
      threshold: doubles[1]![row]!,
      anomalous: codes[0]![row] === 1,
      ...(fallback === undefined ? {} : { fallback }),
      ...(state === undefined ? {} : { state }),
      correlationId: texts[1]![row] ?? '',
    };
  });
}
