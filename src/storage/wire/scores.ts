import { type ScoreRow, toUs } from '../rows.js';

/** Scores of many points: numbers in one buffer, which changes hands, and texts in one text. */
export interface PackedScores {
  readonly count: number;
  /** JSON: point, model, version, correlation id, fallback and state (or null) of each row. */
  readonly texts: string;
  /** Float64, row by row: time in microseconds, score, threshold, 1 where anomalous. */
  readonly buffer: ArrayBuffer;
}

const WIDTH = 4;
const TEXTS = 6;
/** Rows between two looks at the clock. */
const STEP = 64;

export function* packScores(rows: readonly ScoreRow[]): Generator<void, PackedScores> {
  const numbers = new Float64Array(rows.length * WIDTH);
  const texts: (string | null)[] = [];
  for (const [index, row] of rows.entries()) {
    numbers.set([toUs(row.timeMs), row.score, row.threshold, row.anomalous ? 1 : 0], index * WIDTH);
    texts.push(row.point, row.model, row.version, row.correlationId, row.fallback ?? null, row.state ?? null);
    if (index % STEP === STEP - 1) yield;
  }
  return { count: rows.length, texts: JSON.stringify(texts), buffer: numbers.buffer };
}

export interface UnpackedScore {
  readonly point: string;
  readonly model: string;
  readonly version: string;
  readonly correlationId: string;
  readonly fallback: string | null;
  readonly state: string | null;
  readonly timeUs: number;
  readonly score: number;
  readonly threshold: number;
  readonly anomalous: number;
}

export function unpackScores({ count, texts, buffer }: PackedScores): UnpackedScore[] {
  const words = JSON.parse(texts) as string[];
  const numbers = new Float64Array(buffer, 0, count * WIDTH);
  return Array.from({ length: count }, (_, row) => {
    const [point, model, version, correlationId, fallback, state] = words.slice(
      row * TEXTS,
      (row + 1) * TEXTS,
    );
    const [timeUs, score, threshold, anomalous] = numbers.subarray(row * WIDTH, (row + 1) * WIDTH);
    return {
      point: point!,
      model: model!,
      version: version!,
      correlationId: correlationId!,
      fallback: fallback ?? null,
      state: state ?? null,
      timeUs: timeUs!,
      score: score!,
      threshold: threshold!,
      anomalous: anomalous!,
    };
  });
}
