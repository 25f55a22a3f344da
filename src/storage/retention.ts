import { statSync } from 'node:fs';
import { LEVELS, type Level, slotOf } from './rollups/levels.js';
import { toUs } from './rows.js';
import type { SqliteDatabase } from './sqlite.js';
import { threadWrittenBytes } from './write-meter.js';

export interface RetentionRequest {
  readonly nowMs: number;
  readonly budgetBytes: number;
  readonly keepMs: {
    readonly waveforms: number;
    readonly readings: number;
    readonly features: number;
    readonly events: number;
    /** Continuous aggregates by minute, hour and day. */
    readonly minutes: number;
    readonly hours: number;
    readonly days: number;
  };
}

export interface RetentionResult {
  readonly bytes: number;
  /** Rows deleted because of their age, and because of the budget, by kind. */
  readonly aged: Readonly<Record<string, number>>;
  readonly shed: Readonly<Record<string, number>>;
  /** True where even shedding everything that may go left too much. */
  readonly overBudget: boolean;
  /** Written to the disk by the storage thread since its start; undefined where the kernel does not tell. */
  readonly writtenBytes: number | undefined;
}

/** One step of retention; `shedding` is handed to the next one. */
export interface RetentionStep extends RetentionResult {
  readonly more: boolean;
  readonly shedding: boolean;
}

/** Shedding begins at this share of the budget, and goes on down to the lower one. */
const SHED_FROM = 0.9;
const SHED_TO = 0.85;

/** What may be shed when the space runs out, in this order. Events, alarms and the outbox are not in it. */
const SHEDDABLE = ['waveforms', 'readings', 'features', 'scores', 'minutes', 'hours', 'days'] as const;
type Sheddable = (typeof SHEDDABLE)[number];

/** Entries of one delete (waveforms, chunks): some ten milliseconds, so that a commit of live data does not wait long. */
const SLICE = 200;
/** Entries that a step of shedding takes at least, where there are as many. */
const LEAST_SHED = 12;
const EVENT_SLICE = 1_000;
/** Pages given back to the file system at a time. */
const VACUUM_PAGES = 1_000;
/** First span behind the oldest entry in which a step of shedding looks for more, microseconds. */
const FIRST_SPAN_US = 60e6;

/**
 * One short step: deletes a slice of each kind that is too old; where nothing is, a slice of what does not fit the
 * budget, oldest first. No step looks at a whole table: each goes by way of the points or series, whose entries stand
 * in order of time. To be called again while `more`, with commits of live data between. Runs in the storage thread.
 */
export function retentionStep(
  db: SqliteDatabase,
  path: string,
  request: RetentionRequest,
  shedding: boolean,
): RetentionStep {
  const { nowMs, keepMs, budgetBytes } = request;
  const aged: Record<string, number> = {};
  let more = false;
  for (const kind of SHEDDABLE) {
    const keptMs = kind === 'scores' ? keepMs.features : keepMs[kind];
    const { entries, rows } = deleteBefore(db, kind, toUs(nowMs - keptMs));
    aged[kind] = rows;
    more ||= entries >= SLICE;
  }
  aged.events = deleteEvents(db, new Date(nowMs - keepMs.events).toISOString());
  more ||= aged.events >= EVENT_SLICE;
  // A mark is of use while its event may be delivered again.
  db.prepare('DELETE FROM consumed WHERE seq < coalesce((SELECT min(seq) FROM events), 0)').run();

  let bytes = usedBytes(db, path);
  const shed: Record<string, number> = {};
  const wasShedding = shedding && bytes > budgetBytes * SHED_TO;
  const isShedding = !more && (wasShedding || bytes > budgetBytes * SHED_FROM);
  if (isShedding) {
    for (const kind of SHEDDABLE) {
      const { entries, rows } = deleteOldest(db, kind);
      if (entries === 0) continue;
      shed[kind] = rows;
      bytes = usedBytes(db, path);
      more = bytes > budgetBytes * SHED_TO;
      break;
    }
  }
  db.pragma(`incremental_vacuum(${VACUUM_PAGES})`);
  if (!more) db.pragma('wal_checkpoint(PASSIVE)');
  return {
    bytes,
    aged,
    shed,
    overBudget: bytes > budgetBytes,
    more,
    shedding: isShedding && more,
    writtenBytes: threadWrittenBytes(),
  };
}

interface Deleted {
  readonly entries: number;
  readonly rows: number;
}

const LEVEL_OF = { minutes: LEVELS[0], hours: LEVELS[1], days: LEVELS[2] } as const;
const levelOf = (kind: Sheddable): Level | undefined => (LEVEL_OF as Partial<Record<Sheddable, Level>>)[kind];

/** At most a slice of what ends before a time; a chunk goes when its newest row is too old. */
function deleteBefore(db: SqliteDatabase, kind: Sheddable, beforeUs: number): Deleted {
  if (kind === 'waveforms') {
    const { changes } = db
      .prepare(
        `DELETE FROM waveforms WHERE id IN
           (SELECT id FROM waveforms WHERE point_id IN (SELECT id FROM points) AND start_us < ? LIMIT ${SLICE})`,
      )
      .run(beforeUs);
    return { entries: changes, rows: changes };
  }
  const level = levelOf(kind);
  if (level !== undefined) {
    const { changes } = db
      .prepare(
        `DELETE FROM rollups WHERE rowid IN
           (SELECT r.rowid FROM series s CROSS JOIN rollups r ON r.series_id = s.id
            WHERE r.level = ? AND r.slot < ? LIMIT ${SLICE})`,
      )
      .run(level.number, slotOf(level, beforeUs));
    return { entries: changes, rows: changes };
  }
  const counts = db
    .prepare(
      `DELETE FROM chunks WHERE id IN
         (SELECT c.id FROM series s CROSS JOIN chunks c ON c.series_id = s.id
          WHERE s.kind = ? AND c.to_us < ? LIMIT ${SLICE}) RETURNING count`,
    )
    .pluck()
    .all(kind, beforeUs) as number[];
  return { entries: counts.length, rows: counts.reduce((sum, count) => sum + count, 0) };
}

/** The oldest over all points, a slice at most for each span, found without a look at the rest. */
function deleteOldest(db: SqliteDatabase, kind: Sheddable): Deleted {
  const oldestUs = oldest(db, kind);
  if (oldestUs === null) return { entries: 0, rows: 0 };
  let entries = 0;
  let rows = 0;
  for (let spanUs = FIRST_SPAN_US; entries < LEAST_SHED && spanUs < 1e16; spanUs *= 4) {
    const deleted = deleteBefore(db, kind, oldestUs + spanUs);
    entries += deleted.entries;
    rows += deleted.rows;
  }
  return { entries, rows };
}

function oldest(db: SqliteDatabase, kind: Sheddable): number | null {
  if (kind === 'waveforms') {
    return db
      .prepare(
        `SELECT min(oldest) FROM
           (SELECT (SELECT min(start_us) FROM waveforms WHERE point_id = points.id) AS oldest FROM points)`,
      )
      .pluck()
      .get() as number | null;
  }
  const level = levelOf(kind);
  if (level !== undefined) {
    const slot = db
      .prepare(
        `SELECT min(oldest) FROM
           (SELECT (SELECT min(slot) FROM rollups WHERE series_id = s.id AND level = ?) AS oldest FROM series s)`,
      )
      .pluck()
      .get(level.number) as number | null;
    return slot === null ? null : (slot + 1) * level.perRow * level.widthUs;
  }
  return db
    .prepare(
      `SELECT min(oldest) FROM
         (SELECT (SELECT min(to_us) FROM chunks WHERE series_id = s.id) AS oldest FROM series s WHERE s.kind = ?)`,
    )
    .pluck()
    .get(kind) as number | null;
}

/** The journal grows at its end, so the old ones stand at its beginning. One that a subscriber has not taken yet stays. */
function deleteEvents(db: SqliteDatabase, before: string): number {
  return db
    .prepare(
      `DELETE FROM events WHERE time < ? AND seq IN
         (SELECT seq FROM events WHERE seq <= (SELECT min(seq) FROM cursors) ORDER BY seq LIMIT ${EVENT_SLICE})`,
    )
    .run(before).changes;
}

/** Bytes of pages in use, and of the log; free pages are used again before the file grows. */
function usedBytes(db: SqliteDatabase, path: string): number {
  const pragma = (name: string) => Number(db.pragma(name, { simple: true }));
  const pages = pragma('page_count') - pragma('freelist_count');
  return pages * pragma('page_size') + fileBytes(`${path}-wal`);
}

function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
