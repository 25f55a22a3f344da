import type { SqliteDatabase } from '../sqlite.js';
import { initial } from './001-initial.js';
import { chunks } from './002-chunks.js';
import { eventQueries } from './003-event-queries.js';
import { waveformPacking } from './004-waveform-packing.js';

/** Step N brings a database from user_version N to N + 1. Only ever append; a released step is never changed. */
export const MIGRATIONS: readonly ((db: SqliteDatabase) => void)[] = [
  initial,
  chunks,
  eventQueries,
  waveformPacking,
];
