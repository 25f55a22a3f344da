import type { SqliteDatabase } from '../sqlite.js';

/** Events are asked for by type, by point and by correlation; what a subscriber took is marked; retries are counted. */
export function eventQueries(db: SqliteDatabase): void {
  db.exec(`
    CREATE INDEX events_by_type ON events (type, seq);
    CREATE INDEX events_by_point ON events (json_extract(payload, '$.point'), seq)
      WHERE json_extract(payload, '$.point') IS NOT NULL;
    CREATE INDEX events_by_correlation ON events (correlation_id);

    -- An event whose effect a subscriber wrote: the mark is in one commit with the effect.
    CREATE TABLE consumed (
      subscriber TEXT NOT NULL, event_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (subscriber, event_id)
    ) STRICT, WITHOUT ROWID;

    ALTER TABLE dead_letters ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE dead_letters ADD COLUMN tried_ms REAL;
  `);
}
