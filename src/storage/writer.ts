import { type ErrorRecord, toErrorRecord } from '../base/errors.js';
import type { JournaledEvent } from '../events/journal.js';
import type { ChunkStore } from './chunks/chunk-store.js';
import { appendWire } from './chunks/wire-rows.js';
import { damageError, isDamage } from './damage.js';
import type { SqliteDatabase } from './sqlite.js';
import { WaveformWriter } from './waveforms/waveform-rows.js';
import type { WireBatch } from './wire/wire.js';
import { writeError } from './write-error.js';

export interface BurialRequest {
  readonly subscriber: string;
  readonly journaled: JournaledEvent;
  readonly error: string;
  readonly diedMs: number;
}

/** Writes batches; runs in the storage thread. */
export class Writer {
  readonly #db: SqliteDatabase;
  readonly #chunks: ChunkStore;
  readonly #waveforms: WaveformWriter;
  readonly #sql;

  constructor(db: SqliteDatabase, chunks: ChunkStore) {
    this.#db = db;
    this.#chunks = chunks;
    this.#waveforms = new WaveformWriter(db);
    const prepare = (text: string) => db.prepare(text);
    this.#sql = {
      event: prepare(
        'INSERT INTO events (id, type, version, time, gateway_id, correlation_id, causation_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      ),
      alarmState: prepare('INSERT OR REPLACE INTO alarm_states (alarm, point, document) VALUES (?, ?, ?)'),
      outbox: prepare(
        'INSERT INTO outbox (sink, lane, kind, key, payload, is_json, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      ),
      consumed: prepare(
        `INSERT INTO consumed (subscriber, event_id, seq) VALUES (?, ?, coalesce((SELECT seq FROM events WHERE id = ?), 0))
         ON CONFLICT DO NOTHING`,
      ),
      document: prepare('INSERT OR REPLACE INTO documents (key, document) VALUES (?, ?)'),
    };
  }

  /**
   * Writes batches in one commit, one fsync. Where one of them cannot be written, each is tried by itself, so that
   * only the wrong one fails; but not after the disk has failed, or in a damaged file. Gives undefined or the error for
   * each.
   * @param onFailure told what SQLite says of a disk that failed
   */
  commit(
    batches: readonly WireBatch[],
    onFailure: (thrown: unknown) => void = () => undefined,
  ): (ErrorRecord | undefined)[] {
    try {
      this.#db.transaction(() => {
        for (const batch of batches) this.#write(batch);
        this.#chunks.flush();
      })();
      this.#chunks.settle(true);
      return batches.map(() => undefined);
    } catch (thrown) {
      this.#chunks.settle(false);
      if (isDamage(thrown)) return batches.map(() => toErrorRecord(damageError(thrown)));
      const error = writeError(thrown);
      if (error.code === 'STORE_FAILED') onFailure(thrown);
      else if (batches.length > 1) return batches.flatMap((batch) => this.commit([batch], onFailure));
      return batches.map(() => toErrorRecord(error));
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

  retriedDeadLetter({ id, error, triedMs }: { id: number; error: string; triedMs: number }): void {
    this.#db
      .prepare('UPDATE dead_letters SET retries = retries + 1, error = ?, tried_ms = ? WHERE id = ?')
      .run(error, triedMs, id);
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

  #write(batch: WireBatch): void {
    const sql = this.#sql;
    appendWire(this.#chunks, batch);
    for (const block of batch.blocks ?? [])
      this.#waveforms.insert(this.#chunks.series.pointId(block.point, block.unit), block);
    for (const event of batch.events ?? []) {
      const { id, type, version, time, gatewayId, correlationId, causationId, json } = event;
      sql.event.run(id, type, version, time, gatewayId, correlationId, causationId ?? null, json);
    }
    for (const { alarm, point, json } of batch.alarmStates ?? []) sql.alarmState.run(alarm, point, json);
    for (const { sink, lane, kind, key, isJson, bytes, createdMs } of batch.outbox ?? [])
      sql.outbox.run(
        sink,
        lane,
        kind,
        key,
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        isJson ? 1 : 0,
        createdMs,
      );
    for (const { subscriber, eventId } of batch.consumed ?? [])
      sql.consumed.run(subscriber, eventId, eventId);
    for (const { key, json } of batch.documents ?? []) sql.document.run(key, json);
  }
}
