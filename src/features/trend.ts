import { SmEdgeError } from '../base/errors.js';
import { SeasonalProfile } from './season.js';

/**
 * The newest stretch of a slow signal (a temperature, a pressure) as sums over equal pieces of time, so that a window
 * of any length costs the same memory and a reading costs a few additions.
 */

export interface TrendOptions {
  /** The stretch that is looked at, milliseconds. */
  readonly windowMs: number;
  /** Length of a season, such as a day, milliseconds: its regular course is learned and taken away. */
  readonly seasonMs?: number;
}

/** What a trend window shows; rates are in the unit of the signal per hour. */
export interface TrendFeatures {
  readonly mean: number;
  readonly minimum: number;
  readonly maximum: number;
  /** Slope of the least-squares line through all readings of the window, season removed. */
  readonly slopePerH: number;
  /** Slope over the newest eighth of the window: what it does now. */
  readonly ratePerH: number;
  /** Mean square around that line, season removed. */
  readonly variance: number;
  /** What the season adds at the newest reading; 0 until it was learned. */
  readonly seasonal: number;
  /** Whole seasons that were seen. */
  readonly seasons: number;
  readonly readings: number;
}

/** Pieces of a window; it moves on by one piece. */
const PIECES = 64;
const RATE_PIECES = PIECES / 8;
/** Sums of one piece: count, t, v, t², tv, v², raw sum, raw minimum, raw maximum. */
const FIELDS = 9;
const MS_PER_H = 3_600_000;
const MIN_WINDOW_MS = 1_000;

export class TrendWindow {
  readonly #pieceMs: number;
  readonly #sums = new Float64Array(PIECES * FIELDS);
  readonly #season: SeasonalProfile | undefined;
  /** Number of the newest piece since the epoch; times are counted from `#originMs`, for the sake of precision. */
  #newest = Number.NEGATIVE_INFINITY;
  #originMs = 0;
  /** The first value: variances of 25.3 ± 0.01 keep their digits. */
  #originValue = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @throws SmEdgeError `TREND_WINDOW` */
  constructor({ windowMs, seasonMs }: TrendOptions) {
    if (!(windowMs >= MIN_WINDOW_MS) || !Number.isFinite(windowMs))
      throw new SmEdgeError(
        'TREND_WINDOW',
        `a trend over ${windowMs} ms is shorter than ${MIN_WINDOW_MS} ms`,
      );
    this.#pieceMs = windowMs / PIECES;
    this.#season = seasonMs === undefined ? undefined : new SeasonalProfile(seasonMs);
  }

  /** The course of the season, to be kept over a restart; undefined where there is none. */
  get season(): SeasonalProfile | undefined {
    return this.#season;
  }

  /** Takes in one reading. One that is older than the window, or no number, is left out: false. */
  add(timeMs: number, value: number): boolean {
    if (!Number.isFinite(value) || !Number.isFinite(timeMs)) return false;
    const piece = Math.floor(timeMs / this.#pieceMs);
    if (piece <= this.#newest - PIECES) return false;
    if (piece > this.#newest) this.#moveTo(piece, timeMs, value);
    this.#season?.add(timeMs, value);
    const at = place(piece);
    const sums = this.#sums;
    const t = (timeMs - this.#originMs) / MS_PER_H;
    const v = value - this.#originValue - (this.#season?.at(timeMs) ?? 0);
    const first = sums[at] === 0;
    sums[at]! += 1;
    sums[at + 1]! += t;
    sums[at + 2]! += v;
    sums[at + 3]! += t * t;
    sums[at + 4]! += t * v;
    sums[at + 5]! += v * v;
    sums[at + 6]! += value - this.#originValue;
    sums[at + 7] = first ? value : Math.min(sums[at + 7]!, value);
    sums[at + 8] = first ? value : Math.max(sums[at + 8]!, value);
    this.#lastMs = Math.max(this.#lastMs, timeMs);
    return true;
  }

  /** Undefined with fewer than three readings, or readings of one time only. */
  features(): TrendFeatures | undefined {
    const whole = this.#sum(PIECES);
    const line = lineThrough(whole);
    const [count] = whole;
    if (line === undefined || count === undefined || count < 3) return undefined;
    let minimum = Number.POSITIVE_INFINITY;
    let maximum = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < this.#sums.length; at += FIELDS) {
      if (this.#sums[at] === 0) continue;
      minimum = Math.min(minimum, this.#sums[at + 7]!);
      maximum = Math.max(maximum, this.#sums[at + 8]!);
    }
    return {
      mean: this.#originValue + whole[6]! / count,
      minimum,
      maximum,
      slopePerH: line.slope,
      ratePerH: lineThrough(this.#sum(RATE_PIECES))?.slope ?? line.slope,
      variance: line.variance,
      seasonal: this.#season?.at(this.#lastMs) ?? 0,
      seasons: this.#season?.seasons ?? 0,
      readings: count,
    };
  }

  /** Sums of the newest `pieces` pieces. */
  #sum(pieces: number): number[] {
    const total = new Array<number>(7).fill(0);
    for (let back = 0; back < pieces; back++) {
      const at = place(this.#newest - back);
      for (let field = 0; field < 7; field++) total[field]! += this.#sums[at + field]!;
    }
    return total;
  }

  /** Empties the pieces that the window moves into, and counts anew where nothing is left of the old ones. */
  #moveTo(piece: number, timeMs: number, value: number): void {
    const steps = Math.min(PIECES, piece - this.#newest);
    for (let back = 0; back < steps; back++) {
      const at = place(piece - back);
      this.#sums.fill(0, at, at + FIELDS);
    }
    this.#newest = piece;
    if (steps === PIECES) {
      this.#originMs = timeMs;
      this.#originValue = value;
    } else if (timeMs - this.#originMs > 4 * PIECES * this.#pieceMs) this.#moveOrigin(timeMs);
  }

  /** Counts times from `timeMs`, so that t² does not grow with the age of the daemon. */
  #moveOrigin(timeMs: number): void {
    const shift = (timeMs - this.#originMs) / MS_PER_H;
    this.#originMs = timeMs;
    const sums = this.#sums;
    for (let at = 0; at < sums.length; at += FIELDS) {
      const count = sums[at]!;
      const [t, v] = [sums[at + 1]!, sums[at + 2]!];
      sums[at + 3]! += shift * (count * shift - 2 * t);
      sums[at + 4]! -= shift * v;
      sums[at + 1]! -= count * shift;
    }
  }
}

const place = (piece: number): number =>
  Number.isFinite(piece) ? (((piece % PIECES) + PIECES) % PIECES) * FIELDS : 0;

function lineThrough([count, t, v, tt, tv, vv]: readonly number[]):
  | { readonly slope: number; readonly variance: number }
  | undefined {
  if (count === undefined || count < 2) return undefined;
  const spread = tt! - (t! * t!) / count;
  // Times that differ by less than a millisecond make no line.
  if (!(spread > (count * 1e-6) / MS_PER_H)) return undefined;
  const together = tv! - (t! * v!) / count;
  const slope = together / spread;
  return { slope, variance: Math.max(0, (vv! - (v! * v!) / count - slope * together) / count) };
}
