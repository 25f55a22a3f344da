import { crc32 } from 'node:zlib';
import { type ErrorRecord, SmEdgeError, toErrorRecord } from '../base/errors.js';
import type { JournaledEvent } from '../events/journal.js';
import { damageError, isDamage } from './damage.js';
import { NO_VALUE, qualityNumber, toUs, type WriteBatch } from './rows.js';
import type { SqliteDatabase } from './sqlite.js';

/** Names kept in memory as ids; a flood of new names must not fill it. */
const MAX_CACHED_IDS = 20_000;

export interface BurialRequest {
  readonly subscriber: string;
  readonly journaled: JournaledEvent;
  readonly error: string;
  readonly diedMs: number;
}

/** Writes batches; runs in the storage thread. */
export class Writer {
  readonly #db: SqliteDatabase;
  readonly #pointIds = new Map<string, number>();
  readonly #nameIds = new Map<string, number>();
  readonly #modelIds = new Map<string, number>();
  readonly #sql;

  constructor(db: SqliteDatabase) {
    this.#db = db;
    const prepare = (text: string) => db.prepare(text);
    this.#sql = {
      addPoint: prepare(
        'INSERT INTO points (name, unit) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET unit = excluded.unit RETURNING id',
      ).pluck(),
      addNames: prepare(
        'INSERT INTO feature_names (names) VALUES (?) ON CONFLICT (names) DO UPDATE SET names = names RETURNING id',
      ).pluck(),
      addModel: prepare(
        'INSERT INTO models (name, version) VALUES (?, ?) ON CONFLICT (name, version) DO UPDATE SET name = name RETURNING id',
      ).pluck(),
      reading: prepare(
        'INSERT INTO readings (point_id, time_us, value, quality, reason) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      ),
      waveform: prepare(
        'INSERT INTO waveforms (point_id, start_us, sample_rate_hz, unit, quality, reason, sequence, crc, samples) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      ),
      features: prepare(
        'INSERT OR REPLACE INTO features (point_id, time_us, duration_us, names_id, "values") VALUES (?, ?, ?, ?, ?)',
      ),
      score: prepare(
        'INSERT OR REPLACE INTO scores (point_id, time_us, model_id, score, threshold, anomalous, fallback, correlation_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      ),
      event: prepare(
        'INSERT INTO events (id, type, version, time, gateway_id, correlation_id, causation_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      ),
      alarmState: prepare('INSERT OR REPLACE INTO alarm_states (alarm, point, document) VALUES (?, ?, ?)'),
      outbox: prepare(
        'INSERT INTO outbox (sink, lane, kind, key, payload, is_json, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      ),
      document: prepare('INSERT OR REPLACE INTO documents (key, document) VALUES (?, ?)'),
    };
  }

  /**
   * Writes batches in one commit, one fsync. Where one of them cannot be written, each is tried by itself, so that
   * only the wrong one fails. Gives undefined or the error for each.
   */
  commit(batches: readonly WriteBatch[]): (ErrorRecord | undefined)[] {
    try {
      this.#db.transaction(() => {
        for (const batch of batches) this.#write(batch);
      })();
      return batches.map(() => undefined);
    } catch (thrown) {
      this.#forgetIds();
      if (isDamage(thrown)) return batches.map(() => toErrorRecord(damageError(thrown)));
      if (batches.length === 1) return [toErrorRecord(writeError(thrown))];
      return batches.flatMap((batch) => this.commit([batch]));
    }
  }

  advance(subscriber: string, seq: number): void {
    this.#db.prepare('INSERT OR REPLACE INTO cursors (subscriber, seq) VALUES (?, ?)').run(subscriber, seq);
  }

  bury({ subscriber, journaled, error, diedMs }: BurialRequest): void {
    this.#db.transaction(() => {
      this.#db
        .prepare('INSERT INTO dead_letters (subscriber, event, error, died_ms) VALUES (?, ?, ?, ?)')
        .run(subscriber, JSON.stringify(journaled.event), error, diedMs);
      this.advance(subscriber, journaled.seq);
    })();
  }

  removeDeadLetter(id: number): void {
    this.#db.prepare('DELETE FROM dead_letters WHERE id = ?').run(id);
  }

  outboxDone(ids: readonly number[]): void {
    const remove = this.#db.prepare('DELETE FROM outbox WHERE id = ?');
    this.#db.transaction(() => {
      for (const id of ids) remove.run(id);
    })();
  }

  outboxFailed({ id, error, nextAttemptMs }: { id: number; error: string; nextAttemptMs: number }): void {
    this.#db
      .prepare('UPDATE outbox SET attempts = attempts + 1, last_error = ?, next_attempt_ms = ? WHERE id = ?')
      .run(error.slice(0, 1000), nextAttemptMs, id);
  }

  outboxToBacklog(sink: string): number {
    return this.#db.prepare("UPDATE outbox SET lane = 'backlog' WHERE sink = ? AND lane = 'live'").run(sink)
      .changes;
  }

  /** Drops the oldest rows over the limit, the figures before the rest; gives how many. */
  outboxTrim({ sink, maxRows }: { sink: string; maxRows: number }): number {
    const rows = Number(this.#db.prepare('SELECT count(*) FROM outbox WHERE sink = ?').pluck().get(sink));
    if (rows <= maxRows) return 0;
    return this.#db
      .prepare(
        `DELETE FROM outbox WHERE id IN
           (SELECT id FROM outbox WHERE sink = ? ORDER BY kind = 'metrics' DESC, id LIMIT ?)`,
      )
      .run(sink, rows - maxRows).changes;
  }

  #write(batch: WriteBatch): void {
    const sql = this.#sql;
    for (const { point, timeMs, value, unit, quality, reason } of batch.readings ?? []) {
      const has = Number.isFinite(value);
      const stored = qualityNumber(quality) + (has ? 0 : NO_VALUE);
      sql.reading.run(this.#pointId(point, unit), toUs(timeMs), has ? value : 0, stored, reason ?? null);
    }
    for (const block of batch.blocks ?? []) {
      const { samples } = block;
      const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
      sql.waveform.run(
        this.#pointId(block.point, block.unit),
        toUs(block.startTimeMs),
        block.sampleRateHz,
        block.unit,
        qualityNumber(block.quality),
        block.reason ?? null,
        block.sequence ?? null,
        crc32(bytes),
        bytes,
      );
    }
    for (const { point, timeMs, durationMs, features } of batch.features ?? []) {
      const names = JSON.stringify(Object.keys(features));
      const namesId = this.#cached(this.#nameIds, names, () => sql.addNames.get(names));
      const values = Buffer.from(Float64Array.from(Object.values(features)).buffer);
      sql.features.run(this.#pointId(point), toUs(timeMs), toUs(durationMs), namesId, values);
    }
    for (const row of batch.scores ?? []) {
      const modelId = this.#cached(this.#modelIds, `${row.model}\n${row.version}`, () =>
        sql.addModel.get(row.model, row.version),
      );
      sql.score.run(
        this.#pointId(row.point),
        toUs(row.timeMs),
        modelId,
        row.score,
        row.threshold,
        row.anomalous ? 1 : 0,
        row.fallback ?? null,
        row.correlationId,
      );
    }
    for (const event of batch.events ?? []) {
      const { id, type, version, time, gatewayId, correlationId, causationId, payload } = event;
      sql.event.run(
        id,
        type,
        version,
        time,
        gatewayId,
        correlationId,
        causationId ?? null,
        JSON.stringify(payload),
      );
    }
    for (const { alarm, point, document } of batch.alarmStates ?? [])
      sql.alarmState.run(alarm, point, JSON.stringify(document));
    for (const { sink, lane, kind, key, payload, createdMs } of batch.outbox ?? []) {
      const isBytes = payload instanceof Uint8Array;
      sql.outbox.run(
        sink,
        lane,
        kind,
        key,
        isBytes ? Buffer.from(payload) : Buffer.from(JSON.stringify(payload)),
        isBytes ? 0 : 1,
        createdMs,
      );
    }
    for (const { key, document } of batch.documents ?? []) sql.document.run(key, JSON.stringify(document));
  }

  #pointId(name: string, unit = ''): number {
    const id = this.#pointIds.get(name);
    if (id !== undefined) return id;
    if (unit !== '') return this.#cached(this.#pointIds, name, () => this.#sql.addPoint.get(name, unit));
    // Features and scores do not know the unit: the point is there already, or gets it with its first reading.
    const known = this.#db.prepare('SELECT id FROM points WHERE name = ?').pluck().get(name);
    return this.#cached(this.#pointIds, name, () => known ?? this.#sql.addPoint.get(name, ''));
  }

  #cached(ids: Map<string, number>, name: string, add: () => unknown): number {
    let id = ids.get(name);
    if (id === undefined) {
      id = Number(add());
      if (ids.size >= MAX_CACHED_IDS) ids.clear();
      ids.set(name, id);
    }
    return id;
  }

  /** Ids that a rolled back transaction gave out are not in the file. */
  #forgetIds(): void {
    for (const ids of [this.#pointIds, this.#nameIds, this.#modelIds]) ids.clear();
  }
}

/** Disk full, read-only, locked: it may be better later. A value that no column takes: never. */
export function writeError(thrown: unknown): SmEdgeError {
  const code = String((thrown as { code?: unknown } | null)?.code ?? '');
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const forGood =
    code.startsWith('SQLITE_CONSTRAINT') ||
    code === 'SQLITE_MISMATCH' ||
    code === 'SQLITE_TOOBIG' ||
    code === '';
  return new SmEdgeError(
    code === 'SQLITE_FULL' ? 'STORE_FULL' : 'STORE_WRITE',
    `the store could not write: ${message}`,
    {
      cause: thrown,
      retryable: !forGood,
      hint: 'look at the free space and the health of the disk ("df -h", "dmesg")',
    },
  );
}
