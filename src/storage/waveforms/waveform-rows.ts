import { crc32 } from 'node:zlib';
import type { SampleBlock } from '../../signals/sample-block.js';
import { damageError } from '../damage.js';
import { type BlockRow, qualityNumber, qualityOf, toMs, toUs } from '../rows.js';
import type { SqliteDatabase } from '../sqlite.js';
import type { WaveformRecord } from '../tables.js';
import { packWaveform, unpackWaveform } from './waveform-codec.js';

/** Points whose last step is remembered; a flood of names must not fill the memory. */
const MAX_HINTS = 1_000;
/** A point whose samples were no whole numbers is not searched for a step again before this many blocks. */
const SEARCH_AGAIN = 50;

/** Puts waveforms into the database; runs in the storage thread. */
export class WaveformWriter {
  readonly #insert;
  readonly #hints = new Map<string, { step: number | undefined; searchIn: number }>();

  constructor(db: SqliteDatabase) {
    this.#insert = db.prepare(
      `INSERT INTO waveforms (point_id, start_us, sample_rate_hz, unit, quality, reason, sequence, crc, samples,
                              packing, count, trigger, event_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
  }

  insert(pointId: number, block: BlockRow): void {
    const { samples } = block;
    const hint = this.#hints.get(block.point) ?? { step: undefined, searchIn: 0 };
    const packed = packWaveform(samples, hint.step, hint.searchIn === 0);
    const searchIn = packed.step !== undefined ? 0 : hint.searchIn === 0 ? SEARCH_AGAIN : hint.searchIn - 1;
    if (this.#hints.size >= MAX_HINTS) this.#hints.clear();
    this.#hints.set(block.point, { step: packed.step, searchIn });
    this.#insert.run(
      pointId,
      toUs(block.startTimeMs),
      block.sampleRateHz,
      block.unit,
      qualityNumber(block.quality),
      block.reason ?? null,
      block.sequence ?? null,
      crc32(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)),
      packed.bytes,
      packed.packing,
      samples.length,
      block.trigger ?? null,
      block.eventId ?? null,
    );
  }
}

/** @throws SmEdgeError `STORE_DAMAGED` where the stored bytes are no samples any more */
export function toBlock(point: string, row: WaveformRecord): BlockRow {
  const block: SampleBlock = {
    point,
    startTimeMs: toMs(row.start_us),
    sampleRateHz: row.sample_rate_hz,
    unit: row.unit,
    samples: samplesOf(row),
    quality: qualityOf(row.quality),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.sequence === null ? {} : { sequence: row.sequence }),
  };
  return {
    ...block,
    ...(row.trigger === null ? {} : { trigger: row.trigger }),
    ...(row.event_id === null ? {} : { eventId: row.event_id }),
  };
}

function samplesOf({ packing, samples, count }: WaveformRecord): Float32Array {
  try {
    return unpackWaveform(packing, samples, count ?? samples.length / 4);
  } catch (thrown) {
    throw damageError(thrown);
  }
}
