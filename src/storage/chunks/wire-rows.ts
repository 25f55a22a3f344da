import type { Reading } from '../../signals/reading.js';
import type { Columns } from '../codec/chunk.js';
import { type FeatureRow, type ScoreRow, toMs, toUs } from '../rows.js';
import type { PackedReadings, WireBatch } from '../wire.js';
import type { ChunkStore } from './chunk-store.js';
import { qualityCode, qualityOfCode, reasonOfCode } from './kinds.js';
import type { Series } from './series.js';

/** Rows of the store's interface, to and from the columns of a series. */

/** Appends what a batch has of readings, features and scores; in a transaction. */
export function appendWire(store: ChunkStore, batch: WireBatch): void {
  const { series } = store;
  for (const { point, unit, timeMs, value, quality, reason } of batch.readings ?? []) {
    const { id } = series.ensure(point, 'readings', unit);
    store.appendReading(id, toUs(timeMs), value, qualityCode(quality, reason));
  }
  if (batch.packed !== undefined) appendPacked(store, batch.packed);
  for (const { point, unit, timesUs, values, codes } of batch.readingColumns ?? []) {
    const columns = { timesUs, doubles: [values], codes: [codes], texts: [] };
    store.append(series.ensure(point, 'readings', unit), columns);
  }
  for (const { point, timeMs, durationMs, features } of batch.features ?? []) {
    const names = JSON.stringify(Object.keys(features));
    const doubles = [toUs(durationMs), ...Object.values(features)].map((value) => Float64Array.of(value));
    const timesUs = Float64Array.of(toUs(timeMs));
    store.append(series.ensure(point, 'features', names), { timesUs, doubles, codes: [], texts: [] });
  }
  for (const row of batch.scores ?? []) {
    store.append(series.ensure(row.point, 'scores', JSON.stringify([row.model, row.version])), {
      timesUs: Float64Array.of(toUs(row.timeMs)),
      doubles: [Float64Array.of(row.score), Float64Array.of(row.threshold)],
      codes: [Uint8Array.of(row.anomalous ? 1 : 0)],
      texts: [[row.fallback ?? null], [row.correlationId]],
    });
  }
}

function appendPacked(store: ChunkStore, packed: PackedReadings): void {
  const ids = packed.points.map(({ point, unit }) => store.series.ensure(point, 'readings', unit).id);
  const { pointOf, timesUs, values, codes } = packed;
  for (let i = 0; i < pointOf.length; i++)
    store.appendReading(ids[pointOf[i]!]!, timesUs[i]!, values[i]!, codes[i]!);
}

export function toReadings({ point, detail: unit }: Series, { timesUs, doubles, codes }: Columns): Reading[] {
  return Array.from(timesUs, (timeUs, row) => {
    const code = codes[0]![row]!;
    const reason = reasonOfCode(code);
    return {
      point,
      timeMs: toMs(timeUs),
      value: doubles[0]![row]!,
      unit,
      quality: qualityOfCode(code),
      ...(reason === undefined ? {} : { reason }),
    };
  });
}

export function toFeatureRows({ point, detail }: Series, { timesUs, doubles }: Columns): FeatureRow[] {
  const names = JSON.parse(detail) as string[];
  return Array.from(timesUs, (timeUs, row) => ({
    point,
    timeMs: toMs(timeUs),
    durationMs: toMs(doubles[0]![row]!),
    features: Object.fromEntries(names.map((name, index) => [name, doubles[index + 1]![row]!])),
  }));
}

export function toScoreRows(
  { point, detail }: Series,
  { timesUs, doubles, codes, texts }: Columns,
): ScoreRow[] {
  const [model, version] = JSON.parse(detail) as [string, string];
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
      correlationId: texts[1]![row] ?? '',
    };
  });
}
