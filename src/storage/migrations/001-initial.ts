import type { SqliteDatabase } from '../sqlite.js';

/** Times are integer microseconds since the Unix epoch (…_us), so that device times below a millisecond survive. */
export function initial(db: SqliteDatabase): void {
  db.exec(`
    CREATE TABLE points (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, unit TEXT NOT NULL) STRICT;

    -- quality: 0 good, 1 uncertain, 2 bad; plus 4 where there is no value. The value is in the key so that two values
    -- of one microsecond both stay, and one value that is delivered twice stays once.
    CREATE TABLE readings (
      point_id INTEGER NOT NULL, time_us INTEGER NOT NULL, value REAL NOT NULL,
      quality INTEGER NOT NULL, reason TEXT,
      PRIMARY KEY (point_id, time_us, value)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE waveforms (
      id INTEGER PRIMARY KEY, point_id INTEGER NOT NULL, start_us INTEGER NOT NULL, sample_rate_hz REAL NOT NULL,
      unit TEXT NOT NULL, quality INTEGER NOT NULL, reason TEXT, sequence INTEGER, crc INTEGER NOT NULL,
      samples BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX waveforms_by_point ON waveforms (point_id, start_us, crc);

    CREATE TABLE feature_names (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE features (
      point_id INTEGER NOT NULL, time_us INTEGER NOT NULL, duration_us INTEGER NOT NULL, names_id INTEGER NOT NULL,
      "values" BLOB NOT NULL,
      PRIMARY KEY (point_id, time_us)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE models (
      id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (name, version)
    ) STRICT;
    CREATE TABLE scores (
      point_id INTEGER NOT NULL, time_us INTEGER NOT NULL, model_id INTEGER NOT NULL, score REAL NOT NULL,
      threshold REAL NOT NULL, anomalous INTEGER NOT NULL, fallback TEXT, correlation_id TEXT NOT NULL,
      PRIMARY KEY (point_id, time_us, model_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE events (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, version INTEGER NOT NULL,
      time TEXT NOT NULL, gateway_id TEXT NOT NULL, correlation_id TEXT NOT NULL, causation_id TEXT,
      payload TEXT NOT NULL
    ) STRICT;
    CREATE TABLE cursors (subscriber TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE dead_letters (
      id INTEGER PRIMARY KEY AUTOINCREMENT, subscriber TEXT NOT NULL, event TEXT NOT NULL, error TEXT NOT NULL,
      died_ms REAL NOT NULL
    ) STRICT;

    CREATE TABLE alarm_states (
      alarm TEXT NOT NULL, point TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (alarm, point)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE outbox (
      id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, lane TEXT NOT NULL, kind TEXT NOT NULL,
      key TEXT NOT NULL, payload BLOB NOT NULL, is_json INTEGER NOT NULL, created_ms REAL NOT NULL,
      attempts INTEGER NOT NULL DEFAULT 0, next_attempt_ms REAL NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT '',
      UNIQUE (sink, key)
    ) STRICT;
    CREATE INDEX outbox_due ON outbox (sink, lane, id);

    CREATE TABLE documents (key TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `);
}
