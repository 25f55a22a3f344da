import type { GatewayEvent } from '../events/event.js';
import type { JournaledEvent } from '../events/journal.js';
import type { Reading } from '../signals/reading.js';
import type { ChunkStore } from './chunks/chunk-store.js';
import type { SeriesKind } from './chunks/kinds.js';
import { NewestReadings } from './chunks/newest.js';
import { clampedUs, rowsOfPoint, type Span, seriesBetween } from './chunks/queries.js';
import { toFeatureRows, toReadings, toScoreRows } from './chunks/wire-rows.js';
import type { OutboxLane, OutboxRow, OutboxStats } from './outbox.js';
import { type AggregateRequest, type Aggregates, aggregate } from './rollups/aggregate.js';
import { type Plot, type PlotRequest, plot } from './rollups/plot.js';
import { type BlockRow, type FeatureRow, type ReadingColumns, type ScoreRow, toMs } from './rows.js';
import type { SqliteDatabase } from './sqlite.js';
import { storedJson } from './stored-json.js';
import type { EventRecord, OutboxRecord, OutboxStatsRecord, WaveformRecord } from './tables.js';
import { toBlock } from './waveforms/waveform-rows.js';

export interface StoreCounts {
  readonly points: number;
  readonly readings: number;
  readonly waveforms: number;
  readonly features: number;
  readonly scores: number;
  readonly events: number;
  readonly outbox: number;
}

/** Queries; runs in the storage thread. */
export class Reader {
  readonly #db: SqliteDatabase;
  readonly #chunks: ChunkStore;
  readonly #newest: NewestReadings;

  constructor(db: SqliteDatabase, chunks: ChunkStore) {
    this.#db = db;
    this.#chunks = chunks;
    this.#newest = new NewestReadings(chunks);
  }

  readings(span: Span): Reading[] {
    return rowsOfPoint(this.#chunks, 'readings', span, toReadings);
  }

  blocks(span: Span): BlockRow[] {
    return this.#inSpan<WaveformRecord>('SELECT w.* FROM waveforms w', 'w', 'start_us', span).map((row) =>
      toBlock(span.point, row),
    );
  }

  /** Rows of a kind in columns, series by series. */
  series(kind: SeriesKind, span: Span) {
    return seriesBetween(this.#chunks, kind, span);
  }

  readingColumns(span: Span): ReadingColumns[] {
    return this.series('readings', span).map(({ point, detail, columns: { timesUs, doubles, codes } }) => ({
      point,
      unit: detail,
      timesUs: timesUs.slice(),
      values: doubles[0]!.slice(),
      codes: codes[0]!.slice(),
    }));
  }

  lastReadings(points: readonly string[]): Reading[] {
    return this.#newest.of(points);
  }

  aggregate(request: AggregateRequest): Aggregates[] {
    return aggregate(this.#chunks, request);
  }

  plot(request: PlotRequest): Plot[] {
    return plot(this.#chunks, request);
  }

  features(span: Span): FeatureRow[] {
    return rowsOfPoint(this.#chunks, 'features', span, toFeatureRows);
  }

  scores(span: Span): ScoreRow[] {
    return rowsOfPoint(this.#chunks, 'scores', span, toScoreRows);
  }

  points(): { name: string; unit: string }[] {
    return this.#db.prepare('SELECT name, unit FROM points ORDER BY name').all() as {
      name: string;
      unit: string;
    }[];
  }

  counts(): StoreCounts {
    const count = (table: string) => Number(this.#db.prepare(`SELECT count(*) FROM ${table}`).pluck().get());
    return {
      points: count('points'),
      readings: this.#chunks.count('readings'),
      waveforms: count('waveforms'),
      features: this.#chunks.count('features'),
      scores: this.#chunks.count('scores'),
      events: count('events'),
      outbox: count('outbox'),
    };
  }

  /** Time of the newest reading, feature, score or waveform. */
  newestDataMs(): number | undefined {
    const waveformUs = this.#db
      .prepare(
        'SELECT max(newest) FROM (SELECT (SELECT max(start_us) FROM waveforms WHERE point_id = p.id) AS newest FROM points p)',
      )
      .pluck()
      .get() as number | null;
    const newestUs = Math.max(this.#chunks.newestUs() ?? -Infinity, waveformUs ?? -Infinity);
    return newestUs === -Infinity ? undefined : toMs(newestUs);
  }

  journal({ afterSeq, limit }: { afterSeq: number; limit: number }): JournaledEvent[] {
    return this.#db
      .prepare<[number, number], EventRecord>('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?')
      .all(afterSeq, limit)
      .map((row) => ({ seq: row.seq, event: eventOf(row) }));
  }

  /** From the counter, not the rows: it does not go back when retention empties the journal. */
  journalHead(): number {
    return Number(
      this.#db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'").pluck().get() ?? 0,
    );
  }

  cursor(subscriber: string): number | undefined {
    return this.#db.prepare('SELECT seq FROM cursors WHERE subscriber = ?').pluck().get(subscriber) as
      | number
      | undefined;
  }

  alarmStates(): unknown[] {
    return this.#db
      .prepare('SELECT document FROM alarm_states')
      .pluck()
      .all()
      .map((text) => storedJson(text));
  }

  document(key: string): unknown {
    const text = this.#db.prepare('SELECT document FROM documents WHERE key = ?').pluck().get(key);
    return text === undefined ? undefined : storedJson(text);
  }

  documents(prefix: string): [key: string, document: unknown][] {
    return this.#db
      .prepare<[number, string], { key: string; document: string }>(
        'SELECT key, document FROM documents WHERE substr(key, 1, ?) = ?',
      )
      .all(prefix.length, prefix)
      .map(({ key, document }) => [key, storedJson(document)]);
  }

  outboxTake(request: {
    sink: string;
    nowMs: number;
    limit: number;
    lane: OutboxLane | undefined;
  }): OutboxRow[] {
    // 'live' sorts behind 'backlog' by name: the lane's order is stated.
    return this.#db
      .prepare<[string, number, string | null, string | null, number], OutboxRecord>(
        `SELECT * FROM outbox WHERE sink = ? AND next_attempt_ms <= ? AND (? IS NULL OR lane = ?)
         ORDER BY lane = 'live' DESC, id LIMIT ?`,
      )
      .all(request.sink, request.nowMs, request.lane ?? null, request.lane ?? null, request.limit)
      .map((row) => ({
        id: row.id,
        sink: row.sink,
        lane: row.lane,
        kind: row.kind,
        key: row.key,
        payload:
          row.is_json === 1
            ? (storedJson(row.payload.toString('utf8')) as OutboxRow['payload'])
            : Uint8Array.from(row.payload),
        createdMs: row.created_ms,
        attempts: row.attempts,
        nextAttemptMs: row.next_attempt_ms,
        lastError: row.last_error,
      }));
  }

  outboxKeys({ sink, prefix }: { sink: string; prefix: string }): string[] {
    // A range, so that the index of (sink, key) is read from there to there alone; UTF-8 sorts as code points do.
    return this.#db
      .prepare<[string, string, string], { key: string }>(
        'SELECT key FROM outbox WHERE sink = ? AND key >= ? AND key < ? ORDER BY key LIMIT 10000',
      )
      .all(sink, prefix, `${prefix}\u{10ffff}`)
      .map(({ key }) => key);
  }

  outboxStats(): Omit<OutboxStats, 'dropped'>[] {
    return this.#db
      .prepare<[], OutboxStatsRecord>(
        `SELECT sink, sum(lane = 'live') AS live, sum(lane = 'backlog') AS backlog, sum(length(payload)) AS bytes,
                min(created_ms) AS oldest FROM outbox GROUP BY sink`,
      )
      .all()
      .map(({ oldest, ...row }) => ({ ...row, oldestMs: oldest }));
  }

  #inSpan<R>(select: string, alias: string, time: string, { point, fromMs, toMs: end, limit }: Span): R[] {
    return this.#db
      .prepare(
        `${select} JOIN points p ON p.id = ${alias}.point_id
         WHERE p.name = ? AND ${alias}.${time} >= ? AND ${alias}.${time} < ? ORDER BY ${alias}.${time} LIMIT ?`,
      )
      .all(point, clampedUs(fromMs), clampedUs(end), limit) as R[];
  }
}

export function eventOf(row: EventRecord): GatewayEvent {
  return {
    id: row.id,
    type: row.type,
    version: row.version,
    time: row.time,
    gatewayId: row.gateway_id,
    correlationId: row.correlation_id,
    ...(row.causation_id === null ? {} : { causationId: row.causation_id }),
    payload: storedJson(row.payload) as GatewayEvent['payload'],
  };
}
