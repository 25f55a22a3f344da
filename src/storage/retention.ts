import { statSync } from 'node:fs';
import { toUs } from './rows.js';
import type { SqliteDatabase } from './sqlite.js';

export interface RetentionRequest {
  readonly nowMs: number;
  readonly budgetBytes: number;
  readonly keepMs: {
    readonly waveforms: number;
    readonly readings: number;
    readonly features: number;
    readonly events: number;
  };
}

export interface RetentionResult {
  readonly bytes: number;
  /** Rows deleted because of their age, and because of the budget, by kind. */
  readonly aged: Readonly<Record<string, number>>;
  readonly shed: Readonly<Record<string, number>>;
  /** True where even shedding everything that may go left too much. */
  readonly overBudget: boolean;
}

/** Rows of one delete: short enough that a commit of live data does not wait long behind it. */
const SLICE = 2_000;
/** Shedding begins at this share of the budget, and goes on down to the lower one. */
const SHED_FROM = 0.9;
const SHED_TO = 0.85;
const MAX_SLICES = 200;

/** What may be shed when the space runs out, in this order. Events, alarms and the outbox are not in it. */
const SHEDDABLE = ['waveforms', 'readings', 'features', 'scores'] as const;

const SLICES: Readonly<Record<(typeof SHEDDABLE)[number], string>> = {
  waveforms: `DELETE FROM waveforms WHERE id IN (SELECT id FROM waveforms ORDER BY id LIMIT ${SLICE / 20})`,
  readings: oldest('readings', 'value'),
  features: oldest('features'),
  scores: oldest('scores', 'model_id'),
};

/** The oldest rows over all points; point by point, since the key begins with the point. */
function oldest(table: string, furtherKey?: string): string {
  const key = ['point_id', 'time_us', ...(furtherKey === undefined ? [] : [furtherKey])].join(', ');
  return `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} ORDER BY time_us LIMIT ${SLICE})`;
}

/** Deletes what is too old, then, oldest first, what does not fit the budget. Runs in the storage thread. */
export function applyRetention(db: SqliteDatabase, path: string, request: RetentionRequest): RetentionResult {
  const { nowMs, keepMs, budgetBytes } = request;
  const before = (ms: number) => toUs(nowMs - ms);
  const aged = {
    waveforms: db.prepare('DELETE FROM waveforms WHERE start_us < ?').run(before(keepMs.waveforms)).changes,
    readings: db.prepare('DELETE FROM readings WHERE time_us < ?').run(before(keepMs.readings)).changes,
    features: db.prepare('DELETE FROM features WHERE time_us < ?').run(before(keepMs.features)).changes,
    scores: db.prepare('DELETE FROM scores WHERE time_us < ?').run(before(keepMs.features)).changes,
    // An event that a subscriber has not taken yet stays, however old.
    events: db
      .prepare('DELETE FROM events WHERE time < ? AND seq <= coalesce((SELECT min(seq) FROM cursors), 0)')
      .run(new Date(nowMs - keepMs.events).toISOString()).changes,
  };
  const shed: Record<string, number> = {};
  let bytes = usedBytes(db, path);
  if (bytes > budgetBytes * SHED_FROM) {
    for (const kind of SHEDDABLE) {
      const statement = db.prepare(SLICES[kind]);
      for (let slice = 0; slice < MAX_SLICES && bytes > budgetBytes * SHED_TO; slice++) {
        const { changes } = statement.run();
        if (changes === 0) break;
        shed[kind] = (shed[kind] ?? 0) + changes;
        bytes = usedBytes(db, path);
      }
    }
  }
  db.pragma('incremental_vacuum(4000)');
  db.pragma('wal_checkpoint(PASSIVE)');
  return { bytes, aged, shed, overBudget: bytes > budgetBytes };
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
