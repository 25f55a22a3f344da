import { crc32 } from 'node:zlib';
import { isWholeChunk } from '../codec/chunk.js';
import { unpackWaveform } from '../waveforms/waveform-codec.js';

type Row = Readonly<Record<string, unknown>>;

const isJson = (text: unknown): boolean => {
  try {
    JSON.parse(String(text));
    return true;
  } catch {
    return false;
  }
};

function isSoundWaveform({ samples, packing, count, crc }: Row): boolean {
  try {
    const bytes = samples as Buffer;
    const unpacked = unpackWaveform(Number(packing ?? 0), bytes, Number(count ?? bytes.length / 4));
    return crc32(new Uint8Array(unpacked.buffer)) === crc;
  } catch {
    return false;
  }
}

/**
 * SQLite keeps no checksum of its pages: a row may look whole and still be damaged. Where the content tells, it is
 * looked at, since a text that is no JSON would trouble whoever reads it.
 */
export const ROW_CHECKS: Readonly<Record<string, (row: Row) => boolean>> = {
  waveforms: isSoundWaveform,
  chunks: (row) => isWholeChunk(row.data as Buffer),
  tail: (row) => isWholeChunk(row.data as Buffer),
  events: (row) => isJson(row.payload),
  alarm_states: (row) => isJson(row.document),
  documents: (row) => isJson(row.document),
  dead_letters: (row) => isJson(row.event),
  feature_names: (row) => isJson(row.names),
  outbox: (row) => row.is_json !== 1 || isJson(row.payload),
};
