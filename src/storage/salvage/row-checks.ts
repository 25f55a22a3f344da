import { crc32 } from 'node:zlib';
import { isWholeChunk } from '../codec/chunk.js';

type Row = Readonly<Record<string, unknown>>;

const isJson = (text: unknown): boolean => {
  try {
    JSON.parse(String(text));
    return true;
  } catch {
    return false;
  }
};

/**
 * SQLite keeps no checksum of its pages: a row may look whole and still be damaged. Where the content tells, it is
 * looked at, since a text that is no JSON would trouble whoever reads it.
 */
export const ROW_CHECKS: Readonly<Record<string, (row: Row) => boolean>> = {
  waveforms: (row) => crc32(row.samples as Buffer) === row.crc,
  chunks: (row) => isWholeChunk(row.data as Buffer),
  tail: (row) => isWholeChunk(row.data as Buffer),
  events: (row) => isJson(row.payload),
  alarm_states: (row) => isJson(row.document),
  documents: (row) => isJson(row.document),
  dead_letters: (row) => isJson(row.event),
  feature_names: (row) => isJson(row.names),
  outbox: (row) => row.is_json !== 1 || isJson(row.payload),
};
