import type { GatewayEvent } from '../events/event.js';
import type { DeadLetter, JournaledEvent } from '../events/journal.js';
import type { ConsumedMark } from '../events/once.js';
import type { EventQuery } from '../events/query.js';
import { eventOf } from './reader.js';
import type { SqliteDatabase } from './sqlite.js';
import { storedJson } from './stored-json.js';
import type { DeadLetterRecord, EventRecord } from './tables.js';

/** Rows of one answer at most: it crosses a thread in one message. */
const MAX_ROWS = 10_000;

/** Queries over the journal and the dead letters; runs in the storage thread. */
export class EventReader {
  readonly #db: SqliteDatabase;

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  find(query: EventQuery): JournaledEvent[] {
    const { newest = false, limit } = query;
    // The narrowest clause leads, so that its index is used; few texts, since each is prepared once and kept.
    const rows = this.#db
      .prepare<unknown[], EventRecord>(
        `SELECT * FROM events WHERE ${leadOf(query)}
         AND (@types IS NULL OR type IN (SELECT value FROM json_each(@types)))
         AND (@point IS NULL OR json_extract(payload, '$.point') = @point)
         AND (@alarm IS NULL OR json_extract(payload, '$.alarm') = @alarm)
         AND (@correlationId IS NULL OR correlation_id = @correlationId)
         AND (@from IS NULL OR time >= @from) AND (@to IS NULL OR time < @to)
         AND seq > @after AND seq < @before
         ORDER BY seq ${newest ? 'DESC' : 'ASC'} LIMIT @limit`,
      )
      .all({
        id: query.id ?? null,
        types: query.types === undefined || query.types.length === 0 ? null : JSON.stringify(query.types),
        point: query.point ?? null,
        alarm: query.alarm ?? null,
        correlationId: query.correlationId ?? null,
        from: isoTime(query.fromMs),
        to: isoTime(query.toMs),
        after: query.afterSeq ?? 0,
        before: query.beforeSeq ?? Number.MAX_SAFE_INTEGER,
        limit: Math.min(limit, MAX_ROWS),
      });
    const found = rows.map((row) => ({ seq: row.seq, event: eventOf(row) }));
    return newest ? found.reverse() : found;
  }

  deadLetters({ limit, subscriber }: { limit: number; subscriber: string | undefined }): DeadLetter[] {
    return this.#db
      .prepare<[string | null, string | null, number], DeadLetterRecord>(
        'SELECT * FROM dead_letters WHERE ? IS NULL OR subscriber = ? ORDER BY id LIMIT ?',
      )
      .all(subscriber ?? null, subscriber ?? null, Math.min(limit, MAX_ROWS))
      .map(letterOf);
  }

  deadLetter(id: number): DeadLetter | undefined {
    const row = this.#db
      .prepare<[number], DeadLetterRecord>('SELECT * FROM dead_letters WHERE id = ?')
      .get(id);
    return row === undefined ? undefined : letterOf(row);
  }

  countDeadLetters(): Record<string, number> {
    const rows = this.#db
      .prepare<[], { subscriber: string; letters: number }>(
        'SELECT subscriber, count(*) AS letters FROM dead_letters GROUP BY subscriber',
      )
      .all();
    return Object.fromEntries(rows.map(({ subscriber, letters }) => [subscriber, letters]));
  }

  isConsumed({ subscriber, eventId }: ConsumedMark): boolean {
    return (
      this.#db
        .prepare('SELECT 1 FROM consumed WHERE subscriber = ? AND event_id = ?')
        .pluck()
        .get(subscriber, eventId) === 1
    );
  }
}

function leadOf({ id, correlationId, point, types }: EventQuery): string {
  if (id !== undefined) return 'id = @id';
  if (correlationId !== undefined) return 'correlation_id = @correlationId';
  if (point !== undefined) return "json_extract(payload, '$.point') = @point";
  if (types !== undefined && types.length > 0) return 'type IN (SELECT value FROM json_each(@types))';
  return '1';
}

/** ISO 8601 texts of UTC sort like the times. */
function isoTime(ms: number | undefined): string | null {
  if (ms === undefined || !Number.isFinite(ms)) return null;
  return new Date(Math.max(0, Math.min(8.64e15, ms))).toISOString();
}

const letterOf = (row: DeadLetterRecord): DeadLetter => ({
  id: row.id,
  subscriber: row.subscriber,
  event: storedJson(row.event) as GatewayEvent,
  error: row.error,
  diedMs: row.died_ms,
  retries: row.retries,
  ...(row.tried_ms === null ? {} : { triedMs: row.tried_ms }),
});
