import type { SqliteDatabase } from '../sqlite.js';

/**
 * Waveforms are packed (waveforms/waveform-codec.ts) and know why they were stored. Those of form 3 stay as they are:
 * packing 0, four bytes a sample. `crc` is that of the samples, not of the packed bytes.
 */
export function waveformPacking(db: SqliteDatabase): void {
  db.exec(`
    ALTER TABLE waveforms ADD COLUMN packing INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE waveforms ADD COLUMN count INTEGER;
    ALTER TABLE waveforms ADD COLUMN trigger TEXT;
    ALTER TABLE waveforms ADD COLUMN event_id TEXT;
  `);
}
