import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';
import { POINT_NAME } from '../../signals/point.js';
import type { Quality } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import { LEAST_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ } from '../../signals/sample-rate.js';
import type { SignalBatch } from '../part.js';
import { bytesPerSample, rawFullScale, readSamples, SAMPLE_ENCODINGS } from '../payloads/sample-encoding.js';

/** One fault of a posted document: where, and what. */
export interface DocumentFault {
  readonly path: string;
  readonly detail: string;
}

const MAX_FAULTS = 20;

const point = z
  .string()
  .max(200)
  .regex(POINT_NAME, 'a point is named machine.position.quantity, such as pump-1.bearing-de.temperature');
const unit = z.string().min(1).max(32);
const time = z.union(
  [z.number().min(0).max(8.64e15), z.iso.datetime({ offset: true, local: true })],
  'a time is milliseconds since 1970, or ISO 8601 such as 2026-05-01T12:00:00Z',
);
/** A word, or a share from 0 (bad) to 1 (good) as some platforms send it. */
const quality = z.union([z.enum(['good', 'uncertain', 'bad']), z.number().min(0).max(1)]);

const readingSchema = z
  .strictObject({
    point: point.optional(),
    sensor_id: point.optional(),
    value: z.union([z.number(), z.boolean(), z.null()]),
    unit: unit.optional(),
    time: time.optional(),
    timestamp: time.optional(),
    quality: quality.optional(),
    sensor_type: z.string().max(64).optional(),
    metadata: z.record(z.string().max(64), z.unknown()).optional(),
    correlation_id: z.string().max(64).optional(),
  })
  .refine(({ point, sensor_id }) => (point ?? sensor_id) !== undefined, 'a reading names its point');

const waveformSchema = z
  .strictObject({
    point,
    unit,
    sampleRateHz: z.number().min(LEAST_SAMPLE_RATE_HZ).max(MAX_SAMPLE_RATE_HZ),
    time: time.optional(),
    sequence: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
    samples: z.union([z.array(z.number()).min(1), z.string().min(1)]),
    encoding: z.enum(SAMPLE_ENCODINGS).optional(),
    fullScale: z.number().positive().optional(),
  })
  .refine(
    ({ samples, encoding }) => (typeof samples === 'string') === (encoding !== undefined),
    'samples are an array of numbers, or base64 together with an encoding',
  );

const batchSchema = z
  .strictObject({
    readings: z.array(readingSchema).max(100_000).default([]),
    waveforms: z.array(waveformSchema).max(1_000).default([]),
  })
  .refine(({ readings, waveforms }) => readings.length + waveforms.length > 0, 'there is nothing in it');

type PostedReading = z.infer<typeof readingSchema>;
type PostedWaveform = z.infer<typeof waveformSchema>;

export interface ReadOptions {
  readonly arrivalMs: number;
  /** Time of a reading of that point that brings none: no two have the same. */
  arrivalOf(point: string): number;
  /** Unit of a point that was written before, for readings that name none. */
  unitOf(point: string): string | undefined;
}

/**
 * A posted document as readings and blocks: one reading, an array of readings, or `{ readings, waveforms }`.
 * All or nothing: throws `INGEST_INVALID` with the faults in `details.errors`.
 */
export function readDocument(document: unknown, options: ReadOptions): Required<SignalBatch> {
  const parsed = batchSchema.safeParse(batchOf(document));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(
      ({ path, message }): DocumentFault => ({ path: path.join('.') || '(document)', detail: message }),
    );
    throw invalidDocument(faults);
  }
  const { readings, waveforms } = parsed.data;
  const faults: DocumentFault[] = [];
  const batch = {
    readings: readings.map((reading) => toReading(reading, options)),
    blocks: waveforms.map((waveform, index) => toBlock(waveform, index, options, faults)),
  };
  if (faults.length > 0) throw invalidDocument(faults);
  return batch;
}

/** One reading and an array of readings are a batch too. */
function batchOf(document: unknown): unknown {
  if (Array.isArray(document)) return { readings: document };
  const isReading = typeof document === 'object' && document !== null && 'value' in document;
  return isReading ? { readings: [document] } : document;
}

export function invalidDocument(faults: readonly DocumentFault[]): SmEdgeError {
  const [first] = faults;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return new SmEdgeError('INGEST_INVALID', `${first?.path}: ${first?.detail}${more}; nothing was stored`, {
    details: { errors: faults.slice(0, MAX_FAULTS) },
  });
}

const toMs = (value: number | string): number => (typeof value === 'number' ? value : Date.parse(value));

function toReading(posted: PostedReading, { arrivalOf, unitOf }: ReadOptions): Reading {
  const name = (posted.point ?? posted.sensor_id)!;
  const at = posted.time ?? posted.timestamp;
  const timeMs = at === undefined ? arrivalOf(name) : toMs(at);
  const given = posted.unit ?? unitOf(name) ?? '1';
  if (posted.value === null)
    return { point: name, timeMs, value: Number.NaN, unit: given, quality: 'bad', reason: 'not-a-number' };
  const judged = qualityOf(posted.quality);
  return {
    point: name,
    timeMs,
    value: Number(posted.value),
    unit: given,
    quality: judged,
    ...(judged === 'good' ? {} : { reason: 'device-error' as const }),
  };
}

function qualityOf(posted: Quality | number | undefined): Quality {
  if (posted === undefined) return 'good';
  if (typeof posted === 'string') return posted;
  return posted >= 0.8 ? 'good' : posted >= 0.5 ? 'uncertain' : 'bad';
}

function toBlock(
  posted: PostedWaveform,
  index: number,
  { arrivalMs }: ReadOptions,
  faults: DocumentFault[],
): SampleBlock {
  const { point: name, unit: given, sampleRateHz, sequence } = posted;
  const { samples, finite } = samplesOf(posted, index, faults);
  const durationMs = (samples.length * 1000) / sampleRateHz;
  return {
    point: name,
    startTimeMs: posted.time === undefined ? arrivalMs - durationMs : toMs(posted.time),
    sampleRateHz,
    unit: given,
    samples,
    ...(sequence === undefined ? {} : { sequence }),
    ...(finite ? { quality: 'good' as const } : { quality: 'bad' as const, reason: 'not-a-number' as const }),
  };
}

function samplesOf(posted: PostedWaveform, index: number, faults: DocumentFault[]) {
  const { samples, encoding, fullScale } = posted;
  if (typeof samples !== 'string') {
    const values = Float32Array.from(samples);
    return { samples: values, finite: values.every(Number.isFinite) };
  }
  const bytes = Buffer.from(samples, 'base64');
  const stride = bytesPerSample(encoding!);
  if (bytes.length === 0 || bytes.length % stride !== 0) {
    faults.push({
      path: `waveforms.${index}.samples`,
      detail: `${bytes.length} bytes are no whole samples of ${encoding}`,
    });
    return { samples: new Float32Array(1), finite: false };
  }
  const gain = fullScale === undefined ? 1 : fullScale / rawFullScale(encoding!);
  return readSamples({ bytes, offset: 0, stride, count: bytes.length / stride }, encoding!, gain, 0);
}
