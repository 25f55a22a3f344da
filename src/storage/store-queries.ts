import type { Clock } from '../base/clock.js';
import type { Reading } from '../signals/reading.js';
import type { SeriesKind } from './chunks/kinds.js';
import type { Span } from './chunks/queries.js';
import { toFeatureRows, toReadings, toScoreRows } from './chunks/wire-rows.js';
import type { AggregateRequest, Aggregates } from './rollups/aggregate.js';
import type { Plot, PlotRequest } from './rollups/plot.js';
import type { BlockRow, FeatureRow, ReadingColumns, ScoreRow } from './rows.js';
import {
  type PackedJson,
  type PackedSeries,
  unpackedReadings,
  unpackJson,
  unpackRows,
} from './wire/answers.js';
import type { PackedReadings } from './wire/readings.js';

/** What may be asked of a store. Long answers are made into objects a little in each turn of the event loop. */
export abstract class StoreQueries {
  protected abstract readonly clock: Clock;
  protected abstract call<T>(method: string, argument: unknown): Promise<T>;

  readings(point: string, fromMs: number, toMs: number, limit: number): Promise<Reading[]> {
    return this.#rows('readings', { point, fromMs, toMs, limit }, toReadings);
  }

  /** As `readings`, column by column, one entry for each unit that the point had: costs the main thread next to nothing. */
  readingColumns(point: string, fromMs: number, toMs: number, limit: number): Promise<ReadingColumns[]> {
    return this.call('readingColumns', { point, fromMs, toMs, limit } satisfies Span);
  }

  /** Of each of the points that has one, the reading with the latest time. */
  async lastReadings(points: readonly string[]): Promise<Reading[]> {
    return unpackedReadings(await this.call<PackedReadings>('lastReadings', points));
  }

  /** Count, extremes, mean, quantiles … by bucket, from the level of the continuous aggregates that fits. */
  aggregate(request: AggregateRequest): Promise<Aggregates[]> {
    return this.call('aggregate', request);
  }

  /** Few points for many readings, to be drawn. */
  plot(request: PlotRequest): Promise<Plot[]> {
    return this.call('plot', request);
  }

  /** Raw waveforms as they were delivered, sample by sample. */
  blocks(point: string, fromMs: number, toMs: number, limit: number): Promise<BlockRow[]> {
    return this.call('blocks', { point, fromMs, toMs, limit } satisfies Span);
  }

  features(point: string, fromMs: number, toMs: number, limit: number): Promise<FeatureRow[]> {
    return this.#rows('features', { point, fromMs, toMs, limit }, toFeatureRows);
  }

  scores(point: string, fromMs: number, toMs: number, limit: number): Promise<ScoreRow[]> {
    return this.#rows('scores', { point, fromMs, toMs, limit }, toScoreRows);
  }

  points(): Promise<{ name: string; unit: string }[]> {
    return this.#list('points', undefined);
  }

  alarmStates(): Promise<unknown[]> {
    return this.#list('alarmStates', undefined);
  }

  /** A JSON document that a part keeps; undefined where there is none. */
  document(key: string): Promise<unknown> {
    return this.call('document', key);
  }

  documents(prefix: string): Promise<[key: string, document: unknown][]> {
    return this.#list('documents', prefix);
  }

  async #rows<R extends { readonly timeMs: number }>(
    kind: SeriesKind,
    span: Span,
    toRows: Parameters<typeof unpackRows<R>>[3],
  ): Promise<R[]> {
    const packed = await this.call<PackedSeries[]>('series', { kind, span });
    return unpackRows(this.clock, packed, span.limit, toRows);
  }

  async #list<T>(method: string, argument: unknown): Promise<T[]> {
    return unpackJson(this.clock, await this.call<PackedJson>(method, argument));
  }
}
